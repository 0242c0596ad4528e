import json
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_columns_of_the_card_reach_both_models_and_change_what_they_say(run_example, tmp_path, nanoaod, other_nanoaod):
    done = run_example(
        "own_columns.py", "--data", f"a={nanoaod}", f"b={other_nanoaod}", "--output", "run",
        "--card", EXAMPLES / "configs" / "own_columns.yaml", "--training.epochs", 2, "--training.batch_size", 64,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert set(results) == {"GraphNetwork", "EventTransformer"}
    assert all(row["largest_change_of_a_probability"] > 1e-4 for row in results.values())


def test_the_script_is_short():
    assert len((EXAMPLES / "own_columns.py").read_text().splitlines()) < 40
