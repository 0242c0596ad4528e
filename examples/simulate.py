"""Simulate collisions: one ROOT file with NanoAOD's branches per process, or with JetClass's for processes of jets.

Example:
    python examples/simulate.py --process ttbar ttH --events 10000 --output runs/samples
    python examples/simulate.py --process ttW --lhe ttW.lhe.gz --events 10000 --output runs/samples
    python examples/simulate.py --preset ho --events 20000 --lhe-dir lhe --output runs/ho/samples
    python examples/simulate.py --preset omnilearn --jets 20000 --output runs/omnilearn/samples
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import uproot

from pyg_hep import command
from pyg_hep.errors import ConfigError
from pyg_hep.simulation import PROCESSES
from pyg_hep.simulation.presets import PRESETS
from pyg_hep.simulation.samples import Sample


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
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--process", nargs="+", metavar="NAME", help="one or more of the processes below")
    what.add_argument(
        "--preset", metavar="NAME", help=f"all samples of a study: {', '.join(PRESETS)}; files that are there are kept"
    )
    parser.add_argument(
        "--events", "--jets", type=int, default=10_000, help="events or jets per file (default: %(default)s)"
    )
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
        "--lhe-dir", "--lhe_dir", type=Path, metavar="DIR", help="folder of the LHE files that --preset needs"
    )
    parser.add_argument(
        "--parts", nargs="+", metavar="NAME", help="only these parts (folders) of --preset, such as pretraining"
    )
    parser.add_argument(
        "--setting", action="append", default=[], metavar="LINE",
        help="further Pythia setting, such as 'PartonShowers:model = 2'; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("runs/samples"), metavar="DIR",
        help="folder of the files <process>.root (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args()


def samples(args: argparse.Namespace) -> Iterator[Sample]:
    """Every file that is asked for."""
    if args.preset:
        command.check_names([args.preset], PRESETS)
        if args.lhe or args.mpi or args.setting or args.seed != 1:
            raise ConfigError("--preset has its own seeds, settings and LHE files: give --events, --lhe-dir, --parts")
        found = PRESETS[args.preset](args.events, args.lhe_dir)
        parts = dict.fromkeys(sample.name.split("/")[0] for sample in found)
        command.check_names(args.parts or [], parts)
        yield from (sample for sample in found if sample.name.split("/")[0] in (args.parts or parts))
        return
    if args.lhe_dir or args.parts:
        raise ConfigError("--lhe-dir and --parts go with --preset; --process takes --lhe")
    if args.lhe and len(args.process) > 1:
        raise ConfigError(f"--lhe goes with a single --process, not with {len(args.process)}: {' '.join(args.process)}")
    for name in args.process:
        lhe = tuple(map(Path, args.lhe or []))
        yield Sample(name, name, args.events, args.seed, lhe, settings=tuple(args.setting), mpi=args.mpi)


def main() -> None:
    """Simulate every file and print what was made."""
    args = parse()
    for sample in samples(args):
        started = time.monotonic()
        make = sample.make if args.preset else sample.simulate
        path = make(args.output, args.workers, progress=not args.quiet)
        seconds = time.monotonic() - started
        with uproot.open(path) as file:
            runs = {key: values[0] for key, values in file["Runs"].arrays(library="np").items()}
            tree = "Events" if "Events" in file else "tree"
            distinct = len(np.unique(file[tree]["event"].array(library="np")))
        failed = runs["genEventFailed"] / (runs["genEventFailed"] + runs["genEventCount"])
        print(
            f"{path}: {runs['genEventCount']} events, {sample.events / seconds:.0f} events/s, cross section "
            f"{runs['genCrossSection']:.4g} +- {runs['genCrossSectionError']:.2g} pb, "
            f"{runs['genEventFailed']} failed ({failed:.2%}), {distinct} distinct hard events" + purity(runs),
            flush=True,
        )


def purity(runs: dict[str, np.generic]) -> str:
    """How often the leading jet is of its class, where jets were made."""
    if "jetsInRange" not in runs:
        return ""
    return f", {runs['jetsLeadingMatched'] / runs['jetsInRange']:.1%} of the leading jets in range are of the class"


if __name__ == "__main__":
    command.run(main)
