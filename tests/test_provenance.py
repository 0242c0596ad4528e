import importlib.metadata
import platform
import re

import torch

from pyg_hep.provenance import PACKAGES, git_hash, versions


def test_commit_and_versions():
    assert re.fullmatch(r"[0-9a-f]{7,40}\+?|.*-g[0-9a-f]+\+?|unknown", git_hash())
    assert versions()["torch"] == torch.__version__
    assert versions()["python"] == platform.python_version()


def test_versions_are_those_of_the_standard_library(tmp_path, monkeypatch):
    expected = {package: importlib.metadata.version(package) for package in PACKAGES}
    assert {package: versions()[package] for package in PACKAGES} == expected
    # Found first: a wheel whose description speaks of a version, and an egg, which has its version elsewhere.
    header = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n\nVersion: 0\n"
    for name, version, kind, file in (("torch", "9.1", "dist", "METADATA"), ("numpy", "9.2", "egg", "PKG-INFO")):
        folder = tmp_path / f"{name}-{version}.{kind}-info"
        folder.mkdir()
        (folder / file).write_text(header.format(name, version))
    monkeypatch.syspath_prepend(tmp_path)
    assert (versions()["torch"], versions()["numpy"]) == ("9.1", "9.2")
    monkeypatch.setattr("pyg_hep.provenance.PACKAGES", ("no-such-package",))
    assert versions()["no-such-package"] == "not installed"
