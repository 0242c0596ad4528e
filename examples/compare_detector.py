"""Compare the parametrised detector with simulation of a real experiment, in one plot.

    python examples/compare_detector.py --cms CMS_FILE --simulated runs/samples/ttbar.root

Both files are read through the same card. Draws jet and lepton pT, multiplicities and missing transverse momentum with
a ratio, and prints the medians. --selection takes a cut on both, such as "n_jet >= 4" where the CMS file is a skim.
"""

import dataclasses

import awkward as ak
import numpy as np

from pyg_hep import command
from pyg_hep.errors import ReaderError
from pyg_hep.evaluation import compare_histograms
from pyg_hep.readers import load_card, read_events
from pyg_hep.readers.expression import Expression
from pyg_hep.schema import ObjectType


def columns_of(events: ak.Array) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Axis label -> values and weights; weights are normalised by the plot."""
    objects = events.objects
    jets = objects[objects.kind == int(ObjectType.JET)]
    leptons = objects[(objects.kind == int(ObjectType.ELECTRON)) | (objects.kind == int(ObjectType.MUON))]
    met = objects[objects.kind == int(ObjectType.MET)]
    weight = ak.to_numpy(events.weight)

    def per_object(values: ak.Array) -> tuple[np.ndarray, np.ndarray]:
        return ak.to_numpy(ak.flatten(values)), np.repeat(weight, ak.to_numpy(ak.num(values)))

    return {
        "jet $p_T$ [GeV]": per_object(jets.pt),
        "lepton $p_T$ [GeV]": per_object(leptons.pt),
        "missing $p_T$ [GeV]": per_object(met.pt),
        "number of jets": (ak.to_numpy(ak.num(jets)), weight),
        "number of leptons": (ak.to_numpy(ak.num(leptons)), weight),
        "number of b-tagged jets": (ak.to_numpy(ak.sum(jets.btag, axis=1)), weight),
    }


def main() -> None:
    """Read both files, print medians, draw."""
    parser = command.Options(__doc__)
    parser.add_argument(
        "--cms", required=True, help="NanoAOD file of the experiment's simulation, a folder or a pattern"
    )
    parser.add_argument("--simulated", required=True, help="file of examples/simulate.py, a folder or a pattern")
    parser.add_argument("--card", default="cms_nanoaod", help="dataset card: a path or a shipped name")
    parser.add_argument("--selection", type=list[str], default=[], help="further cuts, on both")
    parser.add_argument("--output", default="runs/compare_detector", help="folder for everything this run writes")
    options = parser.parse_args()
    output = command.start_run(options.output, parser, options)
    card = load_card(options.card)
    card = dataclasses.replace(card, selection=(*card.selection, *(Expression(s) for s in options.selection)))
    samples = {}
    for name, path in (("CMS", options.cms), ("pyg_hep", options.simulated)):
        events = read_events(path, card)
        if not len(events):
            raise ReaderError(f"{path}: no event passes the selection")
        samples[name] = columns_of(events)
        print(f"{name}: {len(events)} events of {path}")
    results = {}
    for label, (values, _) in samples["CMS"].items():
        mine = samples["pyg_hep"][label][0]
        # 1.25 sigma / sqrt(N) is the error of a normal sample's median; the spread stands in for sigma.
        errors = [1.25 * float(np.std(v)) / np.sqrt(max(len(v), 1)) for v in (values, mine)]
        means = [float(np.mean(v)) for v in (values, mine)]
        medians = [float(np.median(v)) for v in (values, mine)]
        results[label] = {"median": medians, "median_error": errors, "mean": means, "entries": [len(values), len(mine)]}
        print(
            f"{label:28s} median {medians[0]:7.2f} +- {errors[0]:.2f} (CMS), {medians[1]:7.2f} +- {errors[1]:.2f}"
            f"; mean {means[0]:7.2f}, {means[1]:7.2f}"
        )
    compare_histograms(
        {label: {name: sample[label] for name, sample in samples.items()} for label in results},
        output / "detector.png",
    )
    command.write_results(output, {"columns": results, "order": ["CMS", "pyg_hep"]})
    print(f"plot in {output / 'detector.png'}")


if __name__ == "__main__":
    command.run(main)
