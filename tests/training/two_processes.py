"""A script that tests start on one and on two processes: what it finds is written to a file of each process.

python two_processes.py FOLDER OUTPUT DEVICES
"""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import TrainingError
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification, Loss, MaskedObjects
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, finetune, predict, pretrain, represent


class OneProcessDiverges(Classification):
    """A loss that is not finite on the last process only."""

    def step(self, batch, model, generator, training):
        step = super().step(batch, model, generator, training)
        if training and rank() == world() - 1:
            loss = step.losses["cross_entropy"]
            step.losses["cross_entropy"] = Loss(loss.numerator * float("nan"), loss.denominator)
        return step


def world():
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def rank():
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def weights(model):
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in model.state_dict().values())).hexdigest()


def new(objective):
    torch.manual_seed(0)
    optimisation = Optimisation(learning_rate=1e-3)
    return EventModel(GraphNetwork.ho(hidden_channels=8, num_steps=1), objective, optimisation=optimisation)


def main(folder, output, devices):
    train, val = (EventDataset(folder, "simulated_events", split=split) for split in ("train", "val"))
    # An odd number of events; and of two processes that take turns, the second has no validation event of class 1.
    train = train[: len(train) - 1 + len(train) % 2]
    y = val.column("y")
    rows = [(y == label).nonzero()[:, 0].tolist() for label in (0, 1)]
    val = val[[row for pair in zip(rows[1][:20], rows[0][:20], strict=True) for row in pair] + rows[1][20:21]]
    settings = TrainingSettings(
        epochs=2, batch_size=64 // devices, accelerator="cpu", devices=devices, threads=1, precision="64-true",
        strategy="ddp" if devices > 1 else "auto", progress=False, tensorboard=False,
    )  # fmt: skip
    first = pretrain(new(Classification(2, class_weights="balanced")), train, val, output=output, settings=settings)
    tested = predict(first.model, val)
    found = {
        "history": first.history,
        "probability": tested.probability.tolist(),
        "y": tested.y.tolist(),
        "represented": len(represent(first.model, val)[0]),
    }
    # Everything once more, where a process group is there from the start.
    again = pretrain(new(Classification(2, class_weights="balanced")), train, val, output=output, settings=settings)
    found |= {"again": again.history, "mean": again.model.view.mean.tolist(), "weights": weights(again.model)}
    probed = finetune(
        Path(output) / "model", Classification(2), train, val, output=Path(output) / "finetuned", settings=settings,
        probe=True,
    )  # fmt: skip
    found |= {"finetuned": probed.history, "finetuned_weights": weights(probed.model)}
    one = dataclasses.replace(settings, epochs=1, checkpoints=False)
    masked = [pretrain(new(MaskedObjects()), train, val, output=output, settings=one).history for _ in range(2)]
    found |= {"masked": masked}
    try:
        pretrain(new(OneProcessDiverges(2)), train, val, output=Path(output) / "diverged", settings=one)
    except TrainingError as error:
        found |= {"error": str(error)}
    found |= {"rank": rank(), "saved": sorted(path.name for path in (Path(output) / "diverged").iterdir())}
    (Path(output) / f"found-{rank()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
