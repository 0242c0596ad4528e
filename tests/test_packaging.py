import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pyg_hep

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built with what the environment has."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder, ROOT]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_library_the_cards_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names}
    assert packages == {"pyg_hep", f"pyg_hep-{pyg_hep.__version__}.dist-info"}
    for card in (ROOT / "datasets").glob("*.yaml"):
        assert f"pyg_hep/cards/{card.name}" in names
    for module in (ROOT / "pyg_hep").rglob("*.py"):
        assert str(module.relative_to(ROOT)) in names
    assert "pyg_hep/py.typed" in names


def test_installed_wheel_finds_its_cards(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import pyg_hep, pyg_hep.readers as r; print(pyg_hep.__file__);"
        "print(sorted(r.shipped_cards()), r.load_card('simulated_events').name)"
    )
    # -S and PYTHONPATH would lose the dependencies: put the wheel first instead.
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.meta_path = [f for f in sys.meta_path if "
        f"'editable' not in str(getattr(f, '__module__', '')) + str(f)]; {code}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[0].startswith(str(tmp_path))
    assert "cms_nanoaod" in done.stdout


def test_rooms_import_only_from_rooms_above():
    """DESIGN: a room imports only from rooms above it; simulation is imported by none but studies."""
    order = [
        "errors", "provenance", "modules", "identity", "schema", "workers", "kinematics", "spin", "metrics", "response",
        "readers", "transforms", "datasets", "loader", "inputs", "nn", "generation", "objectives", "training",
        "evaluation", "analysis", "command", "studies", "export",
    ]  # fmt: skip
    place = {name: i for i, name in enumerate(order)}
    for module in (ROOT / "pyg_hep").rglob("*.py"):
        room = module.relative_to(ROOT / "pyg_hep").parts[0].removesuffix(".py")
        if room in ("__init__", "testing"):
            continue
        for line in module.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if len(words) < 2 or words[0] not in ("from", "import") or not words[1].startswith("pyg_hep."):
                continue
            imported = words[1].split(".")[1]
            assert imported != "simulation" or room in ("simulation", "studies"), f"{module}: {line}"
            if imported not in (room, "simulation"):
                allowed = ("errors", "schema", "workers", "spin") if room == "simulation" else order[: place[room]]
                assert imported in allowed, f"{module}: {line}"


def test_no_module_is_long():
    for module in (ROOT / "pyg_hep").rglob("*.py"):
        assert len(module.read_text(encoding="utf-8").splitlines()) <= 400, module
    lengths = sorted(len(m.read_text(encoding="utf-8").splitlines()) for m in (ROOT / "pyg_hep").rglob("*.py"))
    assert lengths[len(lengths) // 2] <= 115


def test_scripts_are_short():
    for script in (ROOT / "examples").glob("*.py"):
        most = 59 if script.stem.endswith("_study") else 150
        assert len(script.read_text(encoding="utf-8").splitlines()) <= most, script


def test_torch_scatter_is_never_imported_and_nothing_unpickled():
    for module in [*(ROOT / "pyg_hep").rglob("*.py"), *(ROOT / "examples").glob("*.py")]:
        text = module.read_text(encoding="utf-8")
        assert "torch_scatter" not in text, module
        assert "pickle.load" not in text, module
        assert "weights_only=False" not in text, module
