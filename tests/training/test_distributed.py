"""Two processes on one CPU, in double precision: the same figures as one with the same global batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="module")
def found(splits, tmp_path_factory):
    """What one process found, and each of two."""
    results = {}
    running = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::UserWarning:pyg_hep"}
    for devices in (1, 2):
        output = tmp_path_factory.mktemp(f"processes-{devices}")
        command = [sys.executable, str(SCRIPT), str(splits[0].root), str(output), str(devices)]
        running[output] = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    for output, process in running.items():
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
        results[len(results) + 1] = [json.loads(path.read_text()) for path in sorted(output.glob("found-*.json"))]
    assert [len(results[n]) for n in (1, 2)] == [1, 2]
    return results


def figures(history):
    return [{k: v for k, v in epoch.items() if k not in ("seconds", "events_per_s")} for epoch in history]


def same(first, second):
    for a, b in zip(figures(first), figures(second), strict=True):
        assert a == pytest.approx(b, rel=1e-6)


@pytest.mark.parametrize("run", ["history", "again", "finetuned"])
def test_losses_and_figures_are_those_of_one_process(found, run):
    assert {"train_loss", "val_loss", "val_auc", "val_accuracy"} <= set(found[1][0][run][0])
    for one in found[2]:
        same(found[1][0][run], one[run])


def test_predictions_after_it_are_complete_on_every_process(found):
    expected = found[1][0]
    assert len(expected["probability"]) == 41
    for one in found[2]:
        assert one["y"] == expected["y"]
        assert one["represented"] == 41
        for a, b in zip(one["probability"], expected["probability"], strict=True):
            assert a == pytest.approx(b, rel=1e-6)


def test_processes_have_the_same_weights_and_constants(found):
    a, b = found[2]
    for name in ("mean", "weights", "finetuned_weights"):
        assert a[name] == b[name]
    assert a["mean"] == found[1][0]["mean"]


def test_a_random_objective_repeats(found):
    """A part of the network that a masked task leaves unused does not disturb."""
    for one in [*found[1], *found[2]]:
        assert figures(one["masked"][0]) == figures(one["masked"][1])


def test_all_processes_stop_when_one_diverges(found):
    for one in found[2]:
        assert "the weights of the start are kept" in one["error"]
        assert one["saved"] == ["history.json", "model"]
    assert found[2][0]["error"].startswith("the loss of another process is not finite at step 0 (epoch 1)")
    assert found[2][1]["error"].startswith("the loss is nan at step 0 (epoch 1), events 1:")
