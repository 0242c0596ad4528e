import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "export_onnx.py"


def call(*arguments, cwd):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)


def test_shipped_model_to_a_file_compared_on_random_and_on_real_events(nanoaod, tmp_path):
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


def test_help_is_complete_and_a_wrong_model_is_one_sentence(tmp_path):
    text = call("--help", cwd=tmp_path).stdout
    assert all(f"--{name}" in text for name in ("model", "output", "data", "card", "cache", "tolerance", "config"))
    done = call("--model", "ho-multiclas", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no pretrained model in ho-multiclas")
    assert len(done.stderr.strip().splitlines()) == 1
