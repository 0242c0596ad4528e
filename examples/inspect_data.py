"""Look at files through a dataset card before anything else: what is read, cut, dropped, and what it looks like.

    python examples/inspect_data.py CARD a.root WH=b.root --output runs/inspect

CARD is a path or a shipped name. Prints the cutflow of objects and events, what the files lack, the range of every
column, events and weights of every class; draws the features of every kind of object, and an event display. NAME=PATH
puts several files into one process.
"""

import awkward as ak
import numpy as np

from pyg_hep import command
from pyg_hep.errors import ReaderError
from pyg_hep.evaluation import compare_histograms
from pyg_hep.evaluation.event_display import plot_event
from pyg_hep.readers import Card, ReadReport, iterate_events, load_card
from pyg_hep.schema import ObjectType

LABELS = {"pt": "$p_T$ [GeV]", "eta": r"$\eta$", "phi": r"$\phi$ [rad]", "mass": "mass [GeV]"}
LABELS |= {"charge": "charge [e]", "btag": "b-tag"}


def read(paths: list[str], label: int, card: Card, most: int) -> tuple[ak.Array, ReadReport]:
    """Events of one process, until ``most`` entries have been read."""
    report, chunks = ReadReport(), []
    for path in paths:
        for chunk in iterate_events(path, card, step_size=min(most, 50_000), report=report):
            chunks.append(chunk)
            if report.entries >= most:
                break
        if report.entries >= most:
            break
    if not chunks:
        raise ReaderError(f"no event in {', '.join(paths)}")
    events = ak.concatenate(chunks)
    if card.label is None:
        events["y"] = np.full(len(events), label)
    return events, report


def print_cutflow(name: str, report: ReadReport) -> None:
    """Objects after each cut, events after each cut, and everything else that was done."""
    print(f"\n{name}")
    for what, counts in report.objects.items():
        total = counts["read"]
        print(f"  {what}: {total} read")
        for cut, count in counts.items():
            if cut != "read":
                print(f"    {count:>10} {count / max(total, 1):7.1%}  {cut}")
    print(f"  events: {report.entries} read")
    for cut, count in report.cutflow.items():
        print(f"    {count:>10} {count / max(report.entries, 1):7.1%}  {cut}")
    print(*(f"  {line}" for line in report.lines() if " events after " not in line), sep="\n")


def column_ranges(events: ak.Array) -> dict[str, dict[str, float]]:
    """Smallest value, quartiles and largest value of every column."""
    columns = {f"objects.{n}": ak.to_numpy(ak.flatten(events.objects[n])) for n in events.objects.fields}
    columns |= {n: ak.to_numpy(events[n]) for n in events.fields if n != "objects" and events[n].ndim == 1}
    points = {"min": 0, "25 %": 25, "median": 50, "75 %": 75, "max": 100}
    return {n: {k: float(np.percentile(v, p)) for k, p in points.items()} for n, v in columns.items() if len(v)}


def class_summary(events: ak.Array, names: list[str]) -> dict[str, dict[str, float]]:
    """Events, sum of weights and share of negative weights of every class."""
    y, weight = ak.to_numpy(events.y), ak.to_numpy(events.weight).astype(np.float64)
    if y.ndim > 1:
        return {names[k]: {"mean": float(y[:, k].mean()), "max": float(y[:, k].max())} for k in range(y.shape[1])}
    summary = {}
    for value in range(max(int(y.max()) + 1, len(names))):
        mine = weight[y == value]
        # (sum w)^2 / sum w^2: so many unweighted events have the same statistical power.
        effective = float(mine.sum() ** 2 / max((mine**2).sum(), 1e-300))
        summary[names[value] if value < len(names) else str(value)] = {
            "events": len(mine),
            "sum of weights": float(mine.sum()),
            "negative": float((mine < 0).mean()) if len(mine) else 0.0,
            "effective events": effective,
        }
    return summary


def feature_histograms(
    samples: dict[str, ak.Array], kind: ObjectType
) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Axis label -> sample -> values and weights of one kind of object; empty where a sample has none of it."""
    word = kind.name.lower().replace("_", " ")
    chosen = {name: e.objects[e.objects.kind == int(kind)] for name, e in samples.items()}
    if not all(ak.count(objects.pt) for objects in chosen.values()):
        return {}
    weights = {name: ak.to_numpy(e.weight) for name, e in samples.items()}
    counts = {name: ak.to_numpy(ak.num(objects)) for name, objects in chosen.items()}
    panels = {f"number of {word}s": {name: (counts[name], weights[name]) for name in samples}}
    for column, text in LABELS.items():
        values = {name: ak.to_numpy(ak.flatten(objects[column])) for name, objects in chosen.items()}
        if np.ptp(np.concatenate(list(values.values()))) > 1e-2:  # else there is nothing to see: the mass of a muon
            panels[f"{word} {text}"] = {name: (v, np.repeat(weights[name], counts[name])) for name, v in values.items()}
    return panels


def main() -> None:
    """Read, print, draw."""
    parser = command.Options(__doc__)
    parser.add_argument("card", help="dataset card: a path or a shipped name")
    parser.add_argument("files", nargs="+", help="input files, PATH or NAME=PATH")
    parser.add_argument("--events", type=int, default=100_000, help="entries read of every process")
    parser.add_argument("--display", type=int, default=0, help="which selected event is drawn")
    parser.add_argument("--output", default="runs/inspect_data", help="folder for everything this run writes")
    options = parser.parse_args()
    output = command.start_run(options.output, parser, options)
    card = load_card(options.card)
    samples, results = {}, {"cutflow": {}}
    processes = command.parse_files(options.files)
    for label, (name, paths) in enumerate(processes.items()):
        samples[name], report = read(paths, label, card, options.events)
        print_cutflow(name, report)
        results["cutflow"][name] = report.as_dict()
    events = ak.concatenate(list(samples.values()))
    if not len(events):
        raise ReaderError(f"no event passes the selection of {card.source}")
    print(f"\n{'column':<26}" + "".join(f"{point:>13}" for point in ("min", "25 %", "median", "75 %", "max")))
    results["columns"] = column_ranges(events)
    for name, points in results["columns"].items():
        print(f"{name:<26}" + "".join(f"{value:>13.6g}" for value in points.values()))
    results["classes"] = class_summary(events, card.class_names or (list(processes) if card.label is None else []))
    for name, summary in results["classes"].items():
        print(f"class {name}: " + ", ".join(f"{key} {value:.6g}" for key, value in summary.items()))
    for kind in ObjectType:
        panels = feature_histograms({name: sample for name, sample in samples.items() if len(sample)}, kind)
        if panels:
            compare_histograms(panels, output / f"{kind.name.lower()}.png")
    position = min(max(options.display, 0), len(events) - 1)
    shown = events[position]
    last = np.cumsum([len(sample) for sample in samples.values()])
    process = list(samples)[int(np.searchsorted(last, position, side="right"))]
    o = shown.objects
    title = f"event {int(shown.event_number)}" if "event_number" in events.fields else f"entry {int(shown.entry)}"
    looks = {"btag": o.btag, "level": o.level, "process": process, "title": title}
    plot_event(o.pt, o.eta, o.phi, o.kind, output / "event.png", **looks)
    results["display"] = {"process": process, "event": title}
    command.write_results(output, results)
    print(f"\nplots and results.json in {output}")


if __name__ == "__main__":
    command.run(main)
