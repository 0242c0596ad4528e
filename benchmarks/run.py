"""Speed against named peers, measured side by side in one run.

    python benchmarks/run.py --suite bench
    python benchmarks/run.py --suite full  # and peers that are fetched from the index, see peers.py

A ratio is ours over theirs in speed: above 1 is faster. Every figure is the median of repeated measurements with the
smallest and largest as spread; peers and ours take turns, on one thread.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from pathlib import Path

BENCH = (
    "simulation",
    "loader",
    "nanoaod",
    "graph_network",
    "attention",
    "trainer",
    "busy_host",
    "training_start",
    "ellipse",
)
SUITES = {"bench": BENCH, "full": (*BENCH, "particle_net", "jet_transformers")}


def main() -> None:
    """Run a suite, print its table, write its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=sorted(SUITES), default="bench")
    parser.add_argument("--device", choices=["cpu"], default="cpu", help="where the models run")
    parser.add_argument("--only", nargs="+", choices=SUITES["full"], help="these benchmarks, nothing is written")
    options = parser.parse_args()
    rows = []
    for name in options.only or SUITES[options.suite]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(name).run()
    print(f"{'row':44s} {'value':>12s} {'spread':>25s}  unit, peer")
    for r in rows:
        low, high = r["spread"]
        peer = f", against {r['peer']} {r['peer_version']}" if r["peer"] else ""
        print(f"{r['name']:44s} {r['value']:12.4g} {low:12.4g} {high:12.4g}  {r['unit']}{peer}")
    if options.only is None:
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        for r in rows:
            r["python"] = platform.python_version()
        text = json.dumps(rows, indent=1) + "\n"
        (folder / f"{options.suite}-{options.device}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
