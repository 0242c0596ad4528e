"""Reconstruct tops and antitops of dileptonic events in NanoAOD files, simulated or of data, into ROOT files.

    python examples/reconstruct_tops.py ttbar.root data_*.root --method smeared_ellipse --output runs/tops
    python examples/reconstruct_tops.py ttbar.root --method network --model runs/bumblebee/model

For every input file OUTPUT/<name>.root holds a tree of the same name with one entry per input entry, in the same
order: run, luminosityBlock and event to join on, four-vectors of top and antitop, m_ttbar, the spin observables c_hel
and c_han, and why an entry has none (NaN); of a model that predicts a distribution (TopFlow) also the central 68 %
of m_ttbar, m_ttbar_low and m_ttbar_high. It can be used as a friend of the input tree. Objects and their cuts are
those of the card; its selection of events does not count: all with two leptons of opposite charge and two jets are
reconstructed, the others are counted.
"""

import os
from pathlib import Path

import numpy as np
import torch
import uproot

from pyg_hep import command
from pyg_hep.analysis import reconstruct_tops
from pyg_hep.analysis.tops import METHODS, Reason
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import compare_histograms
from pyg_hep.kinematics import from_cartesian
from pyg_hep.readers import FileReader, load_card
from pyg_hep.readers.files import input_files, split_tree, stem_of

BRANCHES = {"run_number": ("run", "u4"), "luminosity_block": ("luminosityBlock", "u4"), "event_number": ("event", "u8")}


def columns_of(pairs):
    """Branch name -> one value per event."""
    columns = {}
    for name in ("top", "antitop"):
        for part, values in zip(
            ("pt", "eta", "phi", "mass"), from_cartesian(torch.from_numpy(getattr(pairs, name))).unbind(1), strict=True
        ):
            columns[f"{name}_{part}"] = values.numpy().astype(np.float32)
    for name in ("m_ttbar", "c_hel", "c_han"):
        columns[name] = getattr(pairs, name).astype(np.float32)
    if pairs.has_intervals:
        for name, values in zip(("m_ttbar_low", "m_ttbar_high"), pairs.m_ttbar_68.T, strict=True):
            columns[name] = values.astype(np.float32)
    columns["top_weight"] = pairs.weight.astype(np.float32)
    columns["top_valid"], columns["top_fallback"] = pairs.valid, pairs.fallback
    columns["top_reason"] = np.where(pairs.valid, int(Reason.NONE), pairs.reason).astype(np.int8)
    return columns


def write(target, tree, columns):
    """A ROOT file with one tree, complete or not at all."""
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        with uproot.recreate(partial) as file:
            file.mktree(tree, {name: values.dtype for name, values in columns.items()})
            file[tree].extend(columns)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def main() -> None:
    """Reconstruct file by file."""
    parser = command.Options(__doc__)
    parser.add_argument("files", nargs="+", help="ROOT files, folders or patterns")
    parser.add_argument("--method", default="smeared_ellipse", help=", ".join(METHODS))
    parser.add_argument(
        "--model", type=str | None, default=None, help="folder of a trained model, for --method network"
    )
    parser.add_argument("--fallback", type=str | None, default=None, help="method for events that the first leaves")
    parser.add_argument("--card", default="dileptonic", help="dataset card with the objects: a path or a shipped name")
    parser.add_argument("--output", default="runs/reconstruct_tops", help="folder for everything this run writes")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    options = parser.parse_args()
    command.check_names([m for m in (options.method, options.fallback) if m], METHODS)
    if (options.method == "network") != (options.model is not None):
        raise ConfigError("--method network and --model go together: a model's folder, and the method that uses it")
    method = options.method if options.model is None else METHODS["network"](options.model)
    content = load_card(options.card).as_dict()
    content["selection"] = []
    card = load_card(content)
    output = command.start_run(options.output, parser, options)
    paths = input_files(options.files, card.reader)
    targets = [output / f"{stem_of(path)}.root" for path in paths]
    if len(set(targets)) < len(targets):
        raise ConfigError("two input files have the same name: reconstruct them into different output folders")
    summary, masses = {}, {}
    for path, target in zip(paths, targets, strict=True):
        if target.exists() and target.resolve() == Path(split_tree(path)[0]).resolve():
            raise ConfigError(f"{target} would overwrite the input file: choose another --output")
        dataset = EventDataset(options.cache, card, path)
        pairs = reconstruct_tops(dataset, method, fallback=options.fallback)
        with FileReader(path, card) as reader:
            entries, identity = reader.num_entries, reader.identity()
            tree = getattr(reader.source, "tree_name", "Events")
        rows = dataset.storage.entry.numpy()
        columns = {BRANCHES[c][0]: values.astype(BRANCHES[c][1]) for c, values in identity.items()}
        for name, values in columns_of(pairs).items():
            empty = {"top_reason": Reason.NOT_FINITE}.get(name, np.nan if values.dtype.kind == "f" else 0)
            columns[name] = np.full(entries, empty, values.dtype)
            columns[name][rows] = values
        write(target, tree, columns)
        counts = pairs.reasons | ({"impossible values": entries - len(rows)} if entries > len(rows) else {})
        median = float(np.median(pairs.m_ttbar[pairs.valid])) if pairs.valid.any() else None
        summary[str(path)] = {"entries": entries, "counts": counts, "median_m_ttbar": median, "tops": str(target)}
        print(f"{path}: tops of {pairs.valid.sum()} of {entries} events in {target}")
        print(*(f"  {number:>10} {number / entries:7.1%}  {what}" for what, number in counts.items()), sep="\n")
        if pairs.valid.any():
            masses[stem_of(path)] = (pairs.m_ttbar[pairs.valid], dataset.weight.numpy()[pairs.valid])
    if masses:
        compare_histograms({r"$m(t\bar{t})$ [GeV]": masses}, output / "m_ttbar.png")
    command.write_results(output, {"files": summary, "method": options.method, "fallback": options.fallback})
    if not masses:
        raise ConfigError("no event of any file has tops: the counts above say what the events lack")


if __name__ == "__main__":
    command.run(main)
