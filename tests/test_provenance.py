import platform
import re

import torch

from pyg_hep.provenance import git_hash, versions


def test_commit_and_versions():
    assert re.fullmatch(r"[0-9a-f]{7,40}\+?|.*-g[0-9a-f]+\+?|unknown", git_hash())
    assert versions()["torch"] == torch.__version__
    assert versions()["python"] == platform.python_version()
