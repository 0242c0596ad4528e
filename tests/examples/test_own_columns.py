import json
import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_columns_of_the_card_reach_both_models_and_change_what_they_say(tmp_path, nanoaod, other_nanoaod):
    command = [
        sys.executable, EXAMPLES / "own_columns.py", "--data", f"a={nanoaod}", f"b={other_nanoaod}", "--output", "run",
        "--card", EXAMPLES / "configs" / "own_columns.yaml", "--training.epochs", "2", "--training.batch_size", "64",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"})
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert set(results) == {"GraphNetwork", "EventTransformer"}
    assert all(row["largest_change_of_a_probability"] > 1e-4 for row in results.values())


def test_the_script_is_short():
    assert len((EXAMPLES / "own_columns.py").read_text().splitlines()) < 40
