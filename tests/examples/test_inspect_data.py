import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.testing.formats import write_top_tagging

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "inspect_data.py"


@pytest.fixture(scope="module")
def call(run_example):
    return partial(run_example, "inspect_data.py")


def test_prints_the_cutflow_ranges_and_classes_and_draws(call, tmp_path, nanoaod):
    branches = random_nanoaod(200, seed=4)
    branches["MET_pt"][3] = np.nan
    branches["genWeight"][:50] = -2.0
    other = write_nanoaod(tmp_path / "other.root", branches)
    # More than the 500 events of the first file.
    done = call("cms_nanoaod", f"a={nanoaod}", f"b={other}", "--display", 10_000, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads((tmp_path / "runs/inspect_data/results.json").read_text())
    jets = results["cutflow"]["b"]["objects"]["jet"]
    assert jets["read"] >= jets["pt >= 25"] >= jets["abs(eta) <= 2.5"] > 0
    assert f"{jets['pt >= 25']} " in done.stdout
    assert results["cutflow"]["b"]["invalid"] == {"MET_pt": 1}
    assert "1 events dropped for NaN" in done.stdout
    assert results["columns"]["objects.pt"]["min"] >= 0
    b = results["classes"]["b"]
    selected = results["cutflow"]["b"]["selected"]
    assert b["events"] == selected
    assert b["sum of weights"] == (1 - b["negative"]) * selected - 2 * b["negative"] * selected
    assert 0 < b["effective events"] < selected
    drawn = {path.name for path in (tmp_path / "runs/inspect_data").glob("*.png")}
    assert {"jet.png", "muon.png", "met.png", "event.png"} <= drawn
    assert results["display"]["process"] == "b"


def test_card_with_classes_is_summarised_by_class(call, tmp_path):
    path = write_top_tagging(tmp_path / "train.h5", 60)
    done = call("top_tagging", path, "--events", 40, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "class QCD: events 20" in done.stdout
    assert "class top: events 20" in done.stdout


def test_wrong_input_is_one_sentence(call, tmp_path, nanoaod):
    for arguments, message in (
        (("cms_nanoadd", nanoaod), "did you mean 'cms_nanoaod'"),
        (("cms_nanoaod", tmp_path / "no.root"), "no.root: no such file"),
        (("ho_delphes", nanoaod), "no tree 'Delphes'"),
        (("cms_nanoaod", nanoaod, "--event", "3"), "did you mean 'events'"),
    ):
        done = call(*arguments, cwd=tmp_path)
        assert done.returncode != 0
        assert message in done.stderr
        assert "Traceback" not in done.stderr
