"""Where a trained model or a figure comes from: commit of the library and versions of what it stands on."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import re
import subprocess
from pathlib import Path

PACKAGES = ("pyg_hep", "torch", "torch-geometric", "lightning", "uproot", "awkward", "numpy", "scikit-learn")
"""Packages whose versions are recorded."""


@functools.cache
def git_hash() -> str:
    """Commit of the checkout that the library runs from, with ``+`` when it has changes, or ``unknown``."""
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of Python and of :data:`PACKAGES`, ``not installed`` where one is missing."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = _version(importlib.metadata.distribution(package))
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _version(package: importlib.metadata.Distribution) -> str:
    """``package.version``, for which the standard library parses the description too, often a whole README."""
    head = (package.read_text("METADATA") or "").partition("\n\n")[0]
    line = re.search(r"^Version:\s*(\S+)", head, re.MULTILINE)
    return line[1] if line else package.version
