"""Peers that the main environment must not depend on: each in a folder of its own, without what it depends on.

A peer runs on the torch of this environment, in the same process, so that only the model differs.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / ".peers"
WEAVER, OMNILEARNED, EINOPS = ("weaver-core", "0.5.3"), ("omnilearned", "0.2.0"), ("einops", "0.8.2")
"""Packages with their versions on the index."""


def add(package: str, version: str) -> None:
    """Make a package of the index importable; it is fetched once.

    Raises:
        SystemExit: when pip does not get it, with what pip says.
    """
    target = FOLDER / f"{package}-{version}"
    if not target.is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
        done = subprocess.run([*command, f"{package}=={version}"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the peer {package} {version} cannot be installed: {done.stderr.strip()}")
    if str(target) not in sys.path:
        sys.path.append(str(target))


def weaver() -> tuple[str, str]:
    """Make ``weaver`` importable (ParticleNet, ParticleTransformer); its name and version on the index."""
    add(*WEAVER)
    logging.disable(logging.INFO)  # it logs the arguments of every network
    return WEAVER


def omnilearned() -> tuple[str, str]:
    """Make ``omnilearned`` importable (PET v2), with einops that it needs; its name and version on the index."""
    add(*OMNILEARNED)
    add(*EINOPS)
    return OMNILEARNED
