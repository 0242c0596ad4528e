"""Write what a trained model predicts back to ROOT files.

    python examples/predict.py --model runs/finetune/task/finetuned-1000-1/model --data a.root --output runs/predict

For every input file OUTPUT/<name>.root holds a tree of the same name with one entry per input entry, in the same
order: run, luminosityBlock and event to join on, whether the card selects the event, and every prediction by its name
(score_<class> of a classifier; NaN where the event is not selected). It can be used as a friend of the input tree.
Objects and cuts are those of the card that the model was trained with, which travels with it.
"""

import os
from pathlib import Path

import numpy as np
import uproot

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.readers import FileReader, load_card
from pyg_hep.readers.files import input_files, split_tree, stem_of
from pyg_hep.training import EventModel, own_card, predict

BRANCHES = {"run_number": ("run", "u4"), "luminosity_block": ("luminosityBlock", "u4"), "event_number": ("event", "u8")}


def main() -> None:
    """Predict file by file."""
    parser = command.Options(__doc__)
    parser.add_argument("--model", required=True, help="folder of a trained model")
    parser.add_argument("--data", nargs="+", required=True, help="ROOT files, folders or patterns")
    parser.add_argument(
        "--card", type=str | None, default=None, help="in place of the card that the model was trained with"
    )
    parser.add_argument("--output", default="runs/predict", help="folder for the scores")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument(
        "--names", type=list[str] | None, default=None, help="names of the predictions in place of the model's"
    )
    options = parser.parse_args()
    model = EventModel.from_pretrained(options.model)
    card = load_card(options.card or own_card(model, options.model))
    output = command.start_run(options.output, parser, options)
    paths = input_files(options.data, card.reader)
    targets = [output / f"{stem_of(path)}.root" for path in paths]
    if len(set(targets)) < len(targets):
        raise ConfigError("two input files have the same name: predict them into different output folders")
    summary = {}
    for path, target in zip(paths, targets, strict=True):
        if target.exists() and target.resolve() == Path(split_tree(path)[0]).resolve():
            raise ConfigError(f"{target} would overwrite the input file: choose another --output")
        dataset = EventDataset(options.cache, card, path)
        predictions = predict(model, dataset, labels=False).columns
        if not predictions:
            raise ConfigError(f"{options.model} predicts nothing per event that could be written to a tree")
        names = options.names or list(predictions)
        if len(names) != len(predictions):
            raise ConfigError(f"{len(names)} names for {len(predictions)} predictions")
        with FileReader(path, card) as reader:
            entries, identity = reader.num_entries, reader.identity()
            tree = getattr(reader.source, "tree_name", "Events")
        rows = dataset.storage.entry.numpy()
        selected = np.zeros(entries, dtype=bool)
        selected[rows] = True
        columns = {BRANCHES[c][0]: values.astype(BRANCHES[c][1]) for c, values in identity.items()}
        columns["selected"] = selected
        for name, values in zip(names, predictions.values(), strict=True):
            column = np.full((entries, *values.shape[1:]), np.nan, dtype=np.float32)
            column[rows] = values
            columns[f"score_{name}"] = column
        partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
        try:
            with uproot.recreate(partial) as file:
                file.mktree(tree, {k: (v.dtype, v.shape[1:]) if v.ndim > 1 else v.dtype for k, v in columns.items()})
                file[tree].extend(columns)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        summary[str(path)] = {"entries": entries, "selected": int(selected.sum()), "scores": str(target)}
        print(f"{path}: {selected.sum()} of {entries} events selected, scores in {target}")
    command.write_results(output, {"files": summary, "model": str(options.model)})


if __name__ == "__main__":
    command.run(main)
