import json

import numpy as np
import pytest

from pyg_hep.testing.files import random_nanoaod, write_nanoaod


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Generated missing momentum that the reconstructed one is 12 GeV off, scattering by 5 GeV."""
    branches = random_nanoaod(1500, seed=4)
    rng = np.random.default_rng(0)
    truth = branches["MET_pt"] + 12 + rng.normal(0, 5, 1500)
    branches["GenMET_pt"] = np.abs(truth).astype(np.float32)
    return write_nanoaod(tmp_path_factory.mktemp("files") / "a.root", branches)


def test_the_network_beats_a_constant_and_reports_its_resolution_with_an_error(run_example, simulated, tmp_path):
    done = run_example("regression.py", "--data", simulated, "--output", "run", "--epochs", 12, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["estimates"]
    assert set(rows) == {"network", "reconstructed", "constant"}
    # The number of the file: what the detector says is 12 GeV too low.
    assert rows["reconstructed"]["bias"] == pytest.approx(-12, abs=1.5)
    assert rows["reconstructed"]["resolution"] == pytest.approx(5, abs=1.0)
    assert rows["network"]["rmse"] + 3 * rows["network"]["rmse_error"] < rows["constant"]["rmse"]
    assert 0 < rows["network"]["resolution_error"] < rows["network"]["resolution"]
    assert "GeV" in done.stdout
    assert (tmp_path / "run" / "loss.png").is_file()
