"""``ObjectiveTests``: what any objective must prove, as a class to inherit.

A test class states how its objective is built and inherits the rest::

    class TestMyObjective(ObjectiveTests):
        @classmethod
        def build(cls) -> Objective:
            return MyObjective()
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone, EventTransformer, GraphNetwork, Representation
from pyg_hep.objectives import Loss, NodeColumn, Objective
from pyg_hep.testing.events import random_events

_TOLERANCE = 1e-9
"""Relative, in float64: sums over a few events in another order."""


class ObjectiveModel(torch.nn.Module):
    """View, backbone and objective without a trainer: what :meth:`~pyg_hep.objectives.Objective.step` needs."""

    def __init__(self, backbone: Backbone, objective: Objective, view: View):
        super().__init__()
        self.backbone, self.objective, self.view = backbone, objective, view
        objective.bind(backbone, view)

    def represent(self, batch: Batch, hidden: Mapping[str, Tensor] | None = None) -> Representation:
        """Representation of raw events."""
        representation: Representation = self.backbone(self.view(batch, hidden))
        return representation


class ObjectiveTests:
    """Inherit, give :meth:`build`, and pytest runs these tests.

    Attributes:
        random: whether :meth:`~pyg_hep.objectives.Objective.step` draws random numbers in validation.
        predicts: whether the objective predicts something.
    """

    random = False
    predicts = True

    @classmethod
    def build(cls) -> Objective:
        """The objective, new."""
        raise ConfigError(f"{cls.__name__} must say how its objective is built: override build()")

    @classmethod
    def events(cls, counts: tuple[int, ...] = (5, 3, 8, 1, 6, 4)) -> Batch:
        """Raw events with the target, in float64."""
        batch = random_events(counts, seed=5, dtype=torch.float64)
        batch.weight = torch.linspace(0.5, 2.0, len(counts), dtype=torch.float64)
        return batch

    @classmethod
    def view(cls) -> View:
        """What the backbone sees."""
        return View.abasov()

    def _model(self, transformer: bool = False) -> ObjectiveModel:
        torch.manual_seed(0)
        backbone = (
            EventTransformer(13, hidden_channels=16, num_layers=1, heads=2)
            if transformer
            else GraphNetwork(13, hidden_channels=16, num_steps=2)
        )
        model = ObjectiveModel(backbone, self.build(), self.view()).double().eval()
        model.view.fit(self.events())
        return model

    def _step(self, model: ObjectiveModel, batch: Batch, seed: int = 0, training: bool = False) -> Any:
        return model.objective.step(batch, model, torch.Generator().manual_seed(seed), training)

    def test_every_loss_is_finite_and_reaches_its_head_from_both_backbones(self) -> None:
        """Gradients of heads and of the view's columns."""
        for transformer in (False, True):
            model = self._model(transformer)
            losses = self._step(model, self.events(), training=True).losses
            total = sum((loss.numerator / loss.denominator for loss in losses.values()), torch.zeros(()))
            assert bool(total.isfinite())
            total.backward()  # type: ignore[no-untyped-call]
            for name, parameter in model.objective.heads.named_parameters():
                assert parameter.grad is not None, name
                assert bool(parameter.grad.isfinite().all()), name

    def test_losses_of_batches_add_up(self) -> None:
        """Numerators and denominators of two halves sum to those of the whole, where nothing is random."""
        if self.random:
            return
        model, batch = self._model(), self.events()
        graphs = batch.to_data_list()
        parts = [self._step(model, Batch.from_data_list(half)).losses for half in (graphs[:2], graphs[2:])]
        for name, loss in self._step(model, batch).losses.items():
            halves = Loss(*(sum(values) for values in zip(*(part[name] for part in parts), strict=True)))  # type: ignore[arg-type]
            for whole, half in zip(loss, halves, strict=True):
                assert abs(float(half.detach()) - float(whole.detach())) <= _TOLERANCE * abs(float(whole.detach()))

    def test_the_generator_decides_what_is_random(self) -> None:
        """Equal seeds give equal losses whatever the global random numbers; in validation nothing is augmented."""
        model, batch = self._model(), self.events((6,) * 12)
        for training in (True, False):
            losses = []
            for other in (1, 2):
                torch.manual_seed(other)
                losses.append(self._step(model, batch.clone(), 7, training).losses)
            for name, loss in losses[0].items():
                assert torch.equal(loss.numerator, losses[1][name].numerator), name
        if not self.random:
            one, two = (self._step(model, batch.clone(), seed).losses for seed in (1, 2))
            assert all(torch.equal(loss.numerator, two[name].numerator) for name, loss in one.items())

    def test_events_of_weight_zero_count_nothing(self) -> None:
        """Neither in the numerator nor in the denominator."""
        model, batch = self._model(), self.events()
        batch.weight = torch.zeros_like(batch.weight)
        for loss in self._step(model, batch).losses.values():
            assert float(loss.numerator.detach()) == 0.0
            assert float(loss.denominator) == 0.0

    def test_the_batch_is_left_alone(self) -> None:
        """A step changes none of the raw columns."""
        model, batch = self._model(), self.events()
        before = {name: batch[name].clone() for name in ("p4", "kind", "weight", "y")}
        self._step(model, batch, training=True)
        assert all(torch.equal(batch[name], values) for name, values in before.items())

    def test_figures_are_finite_numbers(self) -> None:
        """Every figure of the validation events, in two batches."""
        model = self._model()
        meters = model.objective.meters()
        for counts in ((5, 3, 8, 1, 6, 4), (2, 7, 3, 5)):
            step = self._step(model, self.events(counts))
            for meter in meters:
                meter.update(step.outputs, step.targets)
        figures: dict[str, float] = {}
        for meter in meters:
            figures |= meter.compute()
        assert figures
        assert all(isinstance(value, float) and value == value for value in figures.values())

    def test_predictions_have_names_and_one_row_per_event_or_object(self) -> None:
        """Or the objective says that it predicts nothing."""
        model, batch = self._model(), self.events()
        generator = torch.Generator().manual_seed(0)
        columns: dict[str, Tensor | NodeColumn] = {}
        refusal = ""
        try:
            columns = model.objective.predict(batch, model, generator)
        except ConfigError as error:
            refusal = str(error)
        assert bool(columns) == self.predicts, refusal
        assert ("predicts nothing" in refusal) != self.predicts, refusal
        for name, column in columns.items():
            of_nodes = isinstance(column, NodeColumn)
            values = column.values if isinstance(column, NodeColumn) else column
            assert len(values) == (batch.num_nodes if of_nodes else batch.num_graphs), name

    def test_config_is_json_and_makes_the_objective_again(self) -> None:
        """Same arguments, same heads."""
        objective = self.build()
        again = type(objective)(**json.loads(json.dumps(objective.config())))
        assert again.config() == objective.config()
        states = []
        for one in (objective, again):
            one.bind(EventTransformer(13, hidden_channels=16, num_layers=1, heads=2), self.view())
            states.append({name: values.shape for name, values in one.state_dict().items()})
        assert states[0] == states[1]
