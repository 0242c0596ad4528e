import json
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "export_onnx.py"


@pytest.fixture(scope="module")
def call(run_example):
    return partial(run_example, "export_onnx.py")


def test_shipped_model_to_a_file_compared_on_random_and_on_real_events(call, nanoaod, tmp_path):
    for data, events in ((), None), (("--data", nanoaod), 2 * 500):
        done = call("--model", "ho-multiclass", "--output", tmp_path / "out", *data, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
        assert results["largest_difference"] <= 1e-5
        assert events is None or 0 < results["events"] <= events
        assert (tmp_path / "out" / "ho-multiclass.onnx").stat().st_size > 100_000
        assert "  p4: float32 [events, objects, 4]" in done.stdout
        assert "  ttH: float32 [events]" in done.stdout
        assert "from PyTorch on" in done.stdout


def test_help_is_complete_and_a_wrong_model_is_one_sentence(call, tmp_path):
    text = call("--help", cwd=tmp_path).stdout
    assert all(f"--{name}" in text for name in ("model", "output", "data", "card", "cache", "tolerance", "config"))
    done = call("--model", "ho-multiclas", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no pretrained model in ho-multiclas")
    assert len(done.stderr.strip().splitlines()) == 1
