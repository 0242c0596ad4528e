"""What importing a part of the library must not import: packages that take long, and that the part may never need."""

import subprocess
import sys

import pytest

HEAVY = (
    "sklearn",
    "lightning",
    "matplotlib",
    "mplhep",
    "pandas",
    "h5py",
    "dask",
    "onnx",
    "pythia8mc",
    "fastjet",
    "torchdiffeq",
    "energyflow",
)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import pyg_hep.readers", ("torch", "torch_geometric", "tensorboard", *HEAVY)),
        ("from pyg_hep.datasets import EventDataset, TopTagging", ("tensorboard", "yaml", *HEAVY)),
        ("import pyg_hep.spin, pyg_hep.simulation", ("torch", "torch_geometric", *HEAVY)),
        ("from pyg_hep.analysis import reconstruct_tops", HEAVY),
        ("import pyg_hep.evaluation", ("torch", *HEAVY)),
        ("from pyg_hep.evaluation import sample_distance", ("torch", "scipy", *HEAVY)),
        ("from pyg_hep.generation import DDIM, FlowVelocity", HEAVY),
        (
            "import pyg_hep.evaluation.plots, pyg_hep.evaluation.event_display; pyg_hep.evaluation.compare_histograms",
            ("torch", "torch_geometric", "sklearn", "lightning"),
        ),
        ("from pyg_hep import command", ("torch", "sklearn", "lightning", "matplotlib")),
    ],
)  # fmt: skip
def test_imports_are_made_when_they_are_needed(statement, absent):
    code = f"import sys; {statement}; print(*sorted({set(absent)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == []


def test_every_name_of_the_evaluation_is_there():
    import pyg_hep.evaluation as evaluation

    for name in evaluation.__all__:
        assert getattr(evaluation, name).__name__.split(".")[-1] == name
    with pytest.raises(AttributeError, match="no attribute 'plot_rocks'"):
        _ = evaluation.plot_rocks
