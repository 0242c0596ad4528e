"""A column of your own of every object and one of every event, from the card to both kinds of models.

    python examples/own_columns.py --data ttbar=a.root WH=b.root

The card, examples/configs/own_columns.yaml, names two columns; put branches of your own ntuple there.
"""

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.inputs import View
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.training import EventModel, TrainingSettings, predict, pretrain


def main() -> None:
    """Read files, train both models, see whether the event column matters to them."""
    parser = command.Options(__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="NanoAOD files, FILE or NAME=FILE; a name is a class")
    parser.add_argument("--card", default="examples/configs/own_columns.yaml", help="card with the two columns")
    parser.add_argument("--output", default="runs/own_columns", help="folder for everything this run writes")
    parser.add_argument("--training", type=TrainingSettings, default=TrainingSettings(epochs=5, batch_size=256))
    options = parser.parse_args()
    output, files = command.start_run(options.output, parser, options), command.parse_files(options.data)
    train, val, test = (EventDataset(output / "cache", options.card, files, split=s) for s in ("train", "val", "test"))
    results = {}
    for backbone in (GraphNetwork(5, event_channels=1), EventTransformer(5, event_channels=1)):
        view = View(["log_pt", "eta", "phi", "is_jet", "score"], events=["met_significance"])
        model, name = EventModel(backbone, Classification(train.num_classes), view), type(backbone).__name__
        pretrain(model, train, val, output=output / name, settings=parser.instantiate(options).training)
        doubled = test.with_columns(met_significance=2 * test.column("met_significance"))
        change = abs(predict(model, doubled).probability - predict(model, test).probability).max()
        results[name] = {"largest_change_of_a_probability": float(change)}
        print(f"{name}: met_significance twice as large changes a probability by up to {change:.3f}")
    command.write_results(output, results)


command.run(main) if __name__ == "__main__" else None
