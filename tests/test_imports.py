"""What importing a part of the library must not import: packages that take long, and that the part may never need."""

import pickle
import subprocess
import sys

import pytest

FORMATS = ("uproot", "awkward", "pyarrow", "h5py", "yaml")
HEAVY = (
    "sklearn", "lightning", "matplotlib", "mplhep", "pandas", "h5py", "dask", "onnx", "pythia8mc", "fastjet",
    "torchdiffeq", "energyflow", "zuko",
)  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import pyg_hep.readers", ("torch", "torch_geometric", "tensorboard", *HEAVY)),
        # What a process of its own imports to look into files.
        ("import pyg_hep.readers.survey, pyg_hep.workers", ("torch", "torch_geometric", "tensorboard", *HEAVY)),
        ("from pyg_hep.datasets import EventDataset, TopTagging", ("tensorboard", *FORMATS, *HEAVY)),
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


def test_what_is_converted_is_opened_and_batched_without_the_libraries_behind_the_formats(nanoaod, tmp_path):
    from pyg_hep.datasets import EventDataset
    from pyg_hep.readers import load_card

    card = load_card("simulated_events")
    expected = len(EventDataset(tmp_path, card, {"a": str(nanoaod)}))
    with (tmp_path / "card.pickle").open("wb") as file:  # a card is made of YAML
        pickle.dump(card, file)
    code = (
        "import pickle, sys\n"
        "from pyg_hep.datasets import EventDataset\n"
        "from pyg_hep.loader import EventLoader\n"
        f"card = pickle.load(open({str(tmp_path / 'card.pickle')!r}, 'rb'))\n"
        f"dataset = EventDataset({str(tmp_path)!r}, card, {{'a': {str(nanoaod)!r}}})\n"
        "print(len(dataset), next(iter(EventLoader(dataset, 8))).num_graphs)\n"
        f"print(*sorted({set(FORMATS)!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(expected), "8"]
