"""Make jets with a trained network, and judge them beside true ones.

    python examples/generate_jets.py --model runs/omnilearn/pretrained/joint-200000x5-256/model \
        --data runs/omnilearn/samples/pretraining --jets 10000

A small diffusion model learns pT, eta, mass and multiplicity of half of the jets of --data, and the network makes the
particles of new ones, with as many jets of each class. OUTPUT/jets.npz holds their particles (pt [GeV], eta, phi,
mass [GeV]), where each jet begins, and classes; results.json distances of observables from the other half with errors
and floors, the two-sample AUC and jets/s; generation.png the observables.
"""

import time

import numpy as np
import torch

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import compare_histograms, generation_report, jet_observables, two_sample_auc
from pyg_hep.generation import DDIM, FlowMidpoint, FlowVelocity, JetGenerator, generate_particles, jet_columns
from pyg_hep.loader import EventLoader
from pyg_hep.objectives import Diffusion
from pyg_hep.readers import load_card
from pyg_hep.readers.files import input_files
from pyg_hep.training import EventModel

DRAWN = ("pt", "mass", "multiplicity", "tau21")


def main() -> None:
    """Jets to a file, and what they are worth."""
    parser = command.Options(__doc__)
    parser.add_argument("--model", required=True, help="folder of a model that was trained by Diffusion, or with it")
    parser.add_argument("--data", nargs="+", required=True, help="files, folders or patterns of true jets")
    parser.add_argument("--card", type=str | None, default=None, help="in place of the card of the training")
    parser.add_argument("--jets", type=int, default=10_000, help="how many are made")
    parser.add_argument("--calls", type=int, default=64, help="of the network for each jet, an even number")
    parser.add_argument("--steps", type=int, default=4_000, help="of the training of the model of the jets' columns")
    parser.add_argument("--epochs", type=int, default=20, help="of the classifier of the two-sample test")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    parser.add_argument("--output", default="runs/generate", help="folder for the jets")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted jets")
    options = parser.parse_args()
    model = EventModel.from_pretrained(options.model)
    card = load_card(options.card or model.metadata.get("data", {}).get("card") or "jetclass")
    output = command.start_run(options.output, parser, options)
    truth = EventDataset(options.cache, card, input_files(options.data, card.reader))
    seen, held_out = (
        truth.index_select(rows.sort().values)
        for rows in torch.randperm(len(truth), generator=torch.Generator().manual_seed(options.seed)).chunk(2)
    )

    generator = JetGenerator(model.view.events, num_classes=truth.num_classes)
    generator.fit(jet_columns(model.view, seen), options.steps, seed=options.seed)
    y = np.resize(np.arange(truth.num_classes), options.jets)
    sampled = model.objective.find(Diffusion)
    flow = sampled is not None and isinstance(sampled.process, FlowVelocity)
    start = time.perf_counter()
    made = generate_particles(
        model, generator.sample(y, seed=options.seed), options.calls, FlowMidpoint if flow else DDIM, seed=options.seed
    )
    seconds = time.perf_counter() - start

    (jets,) = EventLoader(made, len(made))
    np.savez(output / "jets.npz", p4=jets.p4.numpy(), first=jets.ptr.numpy(), y=made.column("y").numpy())
    (true,) = EventLoader(held_out, len(held_out))
    found, expected = (jet_observables(batch.p4, ptr=batch.ptr) for batch in (jets, true))
    distances = generation_report(found, expected)
    test = two_sample_auc(held_out, made, epochs=options.epochs, seed=options.seed)
    compare_histograms(
        {name: {"true": expected[name], "made": found[name]} for name in DRAWN}, output / "generation.png"
    )
    for name, distance in distances.items():
        print(f"{name:14s}{distance.value:.4g} +- {distance.error:.2g}, true from true {distance.floor:.4g}")
    print(f"two-sample AUC {test.auc:.3f} +- {test.error:.3f}, true from true {test.floor:.3f}")
    print(f"{len(made) / seconds:.1f} jets/s of {options.calls} calls")
    results = {name: distance.as_dict() for name, distance in distances.items()}
    command.write_results(
        output, {"distances": results, "two_sample": test.as_dict(), "jets_per_s": len(made) / seconds}
    )


if __name__ == "__main__":
    command.run(main)
