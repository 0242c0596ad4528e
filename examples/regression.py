"""Estimate a number of every event: the generated missing momentum, from what the detector saw.

    python examples/regression.py --data ttbar=a.root --epochs 20

Reads NanoAOD-like files with GenMET (simulation, examples/simulate.py or CMS). Prints bias and resolution, half the
width of the central 68 % of the errors, with statistical errors, on test events that no training saw: of the network,
of the reconstructed missing momentum as it is, and of the best constant, which a network has to beat.
"""

import numpy as np
import torch

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import plots
from pyg_hep.metrics import bootstrap, resolution
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Regression
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, predict, pretrain

CARD = {
    "extends": "simulated_events",
    "name": "regression",
    "label": {"regression": {"gen_met": "GenMET_pt"}},
    "keep": {"reco_met": "MET_pt"},
}


def rmse(truth: np.ndarray, estimate: np.ndarray, weight: np.ndarray) -> float:
    """Root of the weighted mean square error, in the unit of the truth."""
    return float(np.sqrt(np.average((estimate - truth) ** 2, weights=weight)))


def bias(truth: np.ndarray, estimate: np.ndarray, weight: np.ndarray) -> float:
    """Weighted mean error, in the unit of the truth."""
    return float(np.average(estimate - truth, weights=weight))


def main() -> None:
    """Read files, train, test once, report."""
    parser = command.Options(__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="NanoAOD-like files with GenMET, FILE or NAME=FILE")
    parser.add_argument("--output", default="runs/regression", help="folder for everything this run writes")
    parser.add_argument("--loss", default="huber", help="squared, huber or absolute")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training events")
    parser.add_argument("--seed", type=int, default=0, help="of initialisation and order")
    options = parser.parse_args()
    output, files = command.start_run(options.output, parser, options), command.parse_files(options.data)
    train, val, test = (EventDataset(output / "cache", CARD, files, split=s) for s in ("train", "val", "test"))

    torch.manual_seed(options.seed)
    backbone = EventTransformer.kishimoto(hidden_channels=64, num_layers=3, feed_forward=128, dropout=0.0)
    optimisation = Optimisation(learning_rate=1e-3, schedule="cosine", warmup_epochs=0.5)
    model = EventModel(backbone, Regression(loss=options.loss), optimisation=optimisation)
    settings = TrainingSettings(epochs=options.epochs, batch_size=128, seed=options.seed)
    result = pretrain(model, train, val, output=output, settings=settings)

    tested = predict(result.model, test)
    truth, weight = tested.y[:, 0].astype(float), tested.weight.astype(float)
    estimates = {
        "network": tested.columns["gen_met"].astype(float),
        "reconstructed": test.column("reco_met").numpy().astype(float),
        "constant": np.full(len(truth), float(train.column("y").mean())),
    }
    results: dict[str, dict[str, float]] = {}
    for name, estimate in estimates.items():
        row = results[name] = {}
        for figure in (rmse, bias, resolution):
            value, error = bootstrap(figure, truth, estimate, weight)
            row |= {figure.__name__: float(value), f"{figure.__name__}_error": float(error)}
        print(
            f"{name:14s} "
            + "   ".join(f"{k} {row[k]:6.2f} +- {row[k + '_error']:.2f} GeV" for k in ("rmse", "bias", "resolution"))
        )
    print(f"{len(test)} test events, {len(train)} training events, seed {options.seed}")
    plots.plot_losses({"network": result.history}, output / "loss.png")
    events = {"train": len(train), "val": len(val), "test": len(test)}
    command.write_results(output, {"estimates": results, "events": events, "seed": options.seed, "unit": "GeV"})


if __name__ == "__main__":
    command.run(main)
