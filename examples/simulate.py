"""Simulate collisions: one ROOT file with NanoAOD's branches per process.

Example:
    python examples/simulate.py --process ttbar ttH --events 10000 --output runs/samples
    python examples/simulate.py --process ttW --lhe ttW.lhe.gz --events 10000 --output runs/samples
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import uproot

from pyg_hep import command
from pyg_hep.errors import ConfigError
from pyg_hep.simulation import PROCESSES, simulate


def parse() -> argparse.Namespace:
    """Command line; the list of processes is part of the help."""
    rows = [
        f"  {name:20s}{process.description}" + ("" if process.native else " [needs --lhe]")
        for name, process in PROCESSES.items()
    ]
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="processes:\n" + "\n".join(rows),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--process", nargs="+", required=True, metavar="NAME", help="one or more of the processes below"
    )
    parser.add_argument("--events", type=int, default=10_000, help="events per process (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of all random numbers (default: %(default)s)")
    parser.add_argument("--workers", type=int, help="worker processes (default: one per core)")
    parser.add_argument("--mpi", action="store_true", help="multiparton interactions: four to six times slower")
    parser.add_argument(
        "--lhe",
        nargs="+",
        metavar="FILE",
        help="Les Houches event files with the hard process, for a single --process",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("runs/samples"), metavar="DIR",
        help="folder of the files <process>.root (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args()


def main() -> None:
    """Simulate every process named and print what was made."""
    args = parse()
    if args.lhe and len(args.process) > 1:
        raise ConfigError(f"--lhe goes with a single --process, not with {len(args.process)}: {' '.join(args.process)}")
    for name in args.process:
        started = time.monotonic()
        path = simulate(
            name,
            args.events,
            args.seed,
            args.output / f"{name}.root",
            workers=args.workers,
            mpi=args.mpi,
            lhe=args.lhe,
            progress=not args.quiet,
        )
        seconds = time.monotonic() - started
        with uproot.open(path) as file:
            runs = {key: values[0] for key, values in file["Runs"].arrays(library="np").items()}
        failed = runs["genEventFailed"] / (runs["genEventFailed"] + runs["genEventCount"])
        print(
            f"{path}: {runs['genEventCount']} events, {args.events / seconds:.0f} events/s, cross section "
            f"{runs['genCrossSection']:.4g} +- {runs['genCrossSectionError']:.2g} pb, "
            f"{runs['genEventFailed']} failed ({failed:.2%})",
            flush=True,
        )


if __name__ == "__main__":
    command.run(main)
