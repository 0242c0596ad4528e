"""Write a trained model as an ONNX file, for C++ programs (Athena, CMSSW) that run it with onnxruntime.

    python examples/export_onnx.py --model ho-multiclass

OUTPUT/<name of the model>.onnx takes the raw columns that the model's view reads, padded, with a mask, any number of
events and objects in each call, and gives every prediction under its name (a class's probability under the class's
name). Class names, view, versions, commit and card are in its metadata. It is written only if it agrees with PyTorch.
A model that reads columns of your own needs --data, events that show their shapes.
"""

from pathlib import Path

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.export import to_onnx
from pyg_hep.readers import load_card
from pyg_hep.training import EventModel, own_card


def main() -> None:
    """Load, export, say what the file takes and gives."""
    parser = command.Options(__doc__)
    parser.add_argument("--model", required=True, help="folder of a trained model, or the name of a shipped one")
    parser.add_argument("--output", default="runs/export", help="folder for the file")
    parser.add_argument(
        "--data", nargs="*", default=[], help="files with events to compare on, in place of random events"
    )
    parser.add_argument(
        "--card", type=str | None, default=None, help="of these, in place of the card that the model was trained with"
    )
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument(
        "--tolerance", type=float, default=1e-5, help="largest difference to PyTorch, absolute for probabilities"
    )
    options = parser.parse_args()
    model = EventModel.from_pretrained(options.model)
    example = None
    if options.data:
        card = load_card(options.card or own_card(model, options.model))
        example = EventDataset(options.cache, card, options.data)
    output = command.start_run(options.output, parser, options)
    path = output / f"{Path(options.model).resolve().name}.onnx"
    exported = to_onnx(model, path, example, tolerance=options.tolerance)
    for title, values in (("inputs", exported.inputs), ("outputs", exported.outputs)):
        print(f"{title}:")
        for name, kind in values.items():
            print(f"  {name}: {kind}")
    print(f"{exported.path}: at most {exported.difference:.1e} from PyTorch on {exported.events} events")
    results = {"largest_difference": exported.difference, "events": exported.events}
    command.write_results(
        output, {**results, "file": str(exported.path), "inputs": exported.inputs, "outputs": exported.outputs}
    )


if __name__ == "__main__":
    command.run(main)
