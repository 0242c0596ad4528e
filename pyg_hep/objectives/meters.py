"""``Metric``: a figure on all validation events, the same on one process and on many."""

from __future__ import annotations

import abc
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from pyg_hep.metrics import accuracy, resolution, roc_auc


def is_distributed() -> bool:
    """Whether this process trains together with others."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


class Metric(abc.ABC):
    """Keeps what its figures need of every batch, gathers it from all processes once, and works them out.

    Args:
        outputs: names of the objective's outputs that are kept.
        targets: names of its targets that are kept.
    """

    def __init__(self, outputs: tuple[str, ...], targets: tuple[str, ...]):
        self.outputs, self.targets = outputs, targets
        self._rows: list[dict[str, Tensor]] = []

    def update(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Keep the rows of a batch."""
        kept = {name: outputs[name] for name in self.outputs} | {name: targets[name] for name in self.targets}
        self._rows.append({name: values.detach().cpu() for name, values in kept.items()})

    def reset(self) -> None:
        """Forget all rows."""
        self._rows = []

    def compute(self) -> dict[str, float]:
        """Figures on the events of all processes of a distributed job, every one of which must call this."""
        rows = self._rows
        if is_distributed():
            parts: list[list[dict[str, Tensor]]] = [[] for _ in range(torch.distributed.get_world_size())]
            torch.distributed.all_gather_object(parts, rows)
            rows = [row for part in parts for row in part]
        if not rows:
            return {}
        return self.figures({name: torch.cat([row[name] for row in rows]) for name in rows[0]})

    @abc.abstractmethod
    def figures(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        """Figures, as fractions, of outputs and targets by name."""


class ClassFigures(Metric):
    """Weighted ``accuracy`` and ``auc`` (one against the rest, averaged, for more than two classes)."""

    def __init__(self, num_classes: int):
        super().__init__(("logits",), ("y", "weight"))
        self.num_classes = num_classes

    def figures(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        """``auc`` only where every class has events of some weight."""
        y, weight = rows["y"].numpy(), rows["weight"].double().numpy()
        probability = rows["logits"].double().softmax(dim=-1).numpy()
        figures = {"accuracy": float(accuracy(y, probability, weight))}
        if np.all(np.bincount(y, weights=weight, minlength=self.num_classes) > 0):
            score = probability[:, 1] if self.num_classes == 2 else probability
            figures["auc"] = float(roc_auc(y, score, weight))
        return figures


class LabelFigures(Metric):
    """Mean ``accuracy`` and ``auc`` of yes-or-no labels, ``rmse`` of those that are numbers, weighted.

    The AUC is averaged over the labels of which there are both kinds of events.
    """

    def __init__(self, is_number: Tensor):
        super().__init__(("logits",), ("y", "weight"))
        self.is_number = is_number.cpu()

    def figures(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        """Figures of the kinds of labels that there are."""
        y, estimate, weight = (rows[name].double() for name in ("y", "logits", "weight"))
        number = self.is_number
        figures: dict[str, float] = {}
        if bool((~number).any()):
            right = ((estimate > 0) == (y > 0.5))[:, ~number].double().mean(dim=1)
            figures["accuracy"] = float((weight * right).sum() / weight.sum())
            both = [k for k in torch.nonzero(~number)[:, 0].tolist() if 0 < float(y[:, k].mean()) < 1]
            areas = [roc_auc(y[:, k].long().numpy(), estimate[:, k].numpy(), weight.numpy()) for k in both]
            if areas:
                figures["auc"] = float(sum(areas) / len(areas))
        if bool(number.any()):
            square = ((estimate - y) ** 2)[:, number].mean(dim=1)
            figures["rmse"] = float(((weight * square).sum() / weight.sum()).clamp(min=0).sqrt())
        return figures


class RegressionFigures(Metric):
    """Of every number: root mean square error ``rmse``, mean error ``bias`` and ``resolution``, in its units.

    The resolution is half the width of the central 68 % of the errors. Of several numbers each figure's name ends in
    that of the number.

    Args:
        names: of the numbers.
    """

    def __init__(self, names: tuple[str, ...]):
        super().__init__(("value",), ("y", "weight"))
        self.names = names

    def figures(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        """Figures in physical units."""
        weight = rows["weight"].double()
        errors = rows["value"].double() - rows["y"].double()
        total = weight.sum()
        figures = {}
        for k, name in enumerate(self.names):
            ending = "" if len(self.names) == 1 else f"_{name}"
            error = errors[:, k]
            figures[f"rmse{ending}"] = float(((weight * error**2).sum() / total).clamp(min=0).sqrt())
            figures[f"bias{ending}"] = float((weight * error).sum() / total)
            figures[f"resolution{ending}"] = float(
                resolution(rows["y"][:, k].double().numpy(), rows["value"][:, k].double().numpy(), weight.numpy())
            )
        return figures


class MaskedFigures(Metric):
    """Of what was hidden: ``rmse_<column>`` in standard deviations, and ``kind_accuracy``, weighted by event."""

    def __init__(self, kinematics: tuple[str, ...], kind: bool):
        outputs = (("error",) if kinematics else ()) + (("kind",) if kind else ())
        targets = (("hidden",) if kinematics else ()) + (("kind", "kind_hidden") if kind else ())
        super().__init__(outputs, ("weight",))
        self.names, self.kind, self._also = kinematics, kind, targets

    def update(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Keep errors and flags of all objects of a batch."""
        kept = {name: outputs[name] for name in self.outputs} | {"weight": targets["weight"]}
        if self.kind:
            kept["kind"] = outputs["kind"].argmax(dim=1) == targets["kind"]
        kept |= {name: targets[name] for name in self._also if name != "kind"}
        self._rows.append({name: values.detach().cpu() for name, values in kept.items()})

    def figures(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        """Figures of the columns that were hidden somewhere."""
        weight = rows["weight"].double()
        figures = {}
        if self.names:
            w = weight.unsqueeze(1) * rows["hidden"]
            square, total = (rows["error"].double() ** 2 * w).sum(0), w.sum(0)
            figures = {
                f"rmse_{name}": float((square[k] / total[k]).clamp(min=0).sqrt())
                for k, name in enumerate(self.names)
                if float(total[k]) > 0
            }
        if self.kind:
            w = weight * rows["kind_hidden"]
            if float(w.sum()) > 0:
                figures["kind_accuracy"] = float((w * rows["kind"].double()).sum() / w.sum())
        return figures


class FlowFigures(Metric):
    """Coverage of the truth by a flow: of the normal numbers that it is mapped to, the shares within one and two.

    0.683 and 0.954 where the learned density of each number, given those before it, is right; less where it is too
    narrow. It tests no correlations, and intervals of what depends on several numbers need a test of their own.
    """

    def __init__(self) -> None:
        super().__init__(("normal",), ("weight",))

    def figures(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        """``coverage_68`` and ``coverage_95``, weighted by event."""
        size, weight = rows["normal"].double().abs(), rows["weight"].double()
        shares = {name: (size < most).double().mean(dim=1) for name, most in (("68", 1.0), ("95", 2.0))}
        return {f"coverage_{name}": float((weight * share).sum() / weight.sum()) for name, share in shares.items()}


class NoiseFigures(Metric):
    """Weighted mean squared error of a denoiser at ``low``, ``middle`` and ``high`` noise: a third of the times each.

    A diffusion's loss hardly moves when its samples become better, and differs from one third to the next.
    """

    NAMES = ("low", "middle", "high")

    def __init__(self) -> None:
        super().__init__(("square",), ("time", "weight"))

    def update(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Keep the sums of a batch: there are many objects."""
        third = (targets["time"].detach() * len(self.NAMES)).long().clamp(max=len(self.NAMES) - 1)
        weight = targets["weight"].detach().double()
        pair = torch.stack([weight * outputs["square"].detach().double(), weight.abs()], dim=1)
        self._rows.append({"sums": pair.new_zeros(1, 3, 2).index_add(1, third, pair.unsqueeze(0)).cpu()})

    def figures(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        """Figures of the thirds in which there are objects."""
        sums = rows["sums"].sum(dim=0).tolist()
        return {f"error_{name}_noise": a / b for name, (a, b) in zip(self.NAMES, sums, strict=True) if b > 0}


class PartFigures(Metric):
    """Figures of one of several objectives, under its name: ``classification_auc``.

    Args:
        name: of the objective; its outputs and targets are called ``<name>.<theirs>``.
        meter: of the objective.
    """

    def __init__(self, name: str, meter: Metric):
        super().__init__(meter.outputs, meter.targets)
        self.name, self.meter = name, meter

    def update(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Keep the rows of a batch."""
        self.meter.update(part_of(outputs, self.name), part_of(targets, self.name))

    def reset(self) -> None:
        """Forget all rows."""
        self.meter.reset()

    def compute(self) -> dict[str, float]:
        """Figures on the events of all processes of a distributed job, every one of which must call this."""
        return {f"{self.name}_{name}": value for name, value in self.meter.compute().items()}

    def figures(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        """Those of the objective, under its own names."""
        return self.meter.figures(rows)


def part_of(columns: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Of columns called ``<part>.<column>`` those of one part, by their own names."""
    return {key[len(name) + 1 :]: values for key, values in columns.items() if key.startswith(f"{name}.")}
