"""Tops of a network that was trained to predict the distribution of the daughters of dileptonic events."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_hep.analysis.tops.events import DileptonEvents, Reason, with_masses
from pyg_hep.analysis.tops.momenta import Floats, Ints, mass
from pyg_hep.analysis.tops.network import graphs_of
from pyg_hep.analysis.tops.result import ONE_SIGMA, TWO_SIGMA, TopPairs
from pyg_hep.analysis.tops.smearing import box_muller, uniform_numbers
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.metrics import weighted_quantiles
from pyg_hep.objectives import TopFlow
from pyg_hep.training import EventModel
from pyg_hep.training.predict import evaluating
from pyg_hep.transforms.dileptonic import UNMEASURED

PROMISED = (ONE_SIGMA, TWO_SIGMA)
"""Shares of the events whose truth intervals are to hold."""

ESTIMATES = ("median", "mean", "mode")
"""Which of its samples stands for an event."""

_NUMBERS = 3 * len(UNMEASURED)


class FlowMethod:
    """Tops of one of many samples of the daughters, and intervals of m(ttbar) from all of them.

    An event's tops are those of one of its samples, so that their daughters belong together. Its random numbers are
    made of ``seed`` and its ``key``: it has the same tops in any company. Charged leptons are the measured ones.
    The intervals are central ones of the learned distribution; :meth:`fit` makes them hold their share of events.

    Args:
        model: trained with :class:`~pyg_hep.objectives.TopFlow`; also the folder of a saved one, or its shipped name.
        samples: of each event; the 95 % intervals need a few hundred to be good.
        estimate: the sample whose m(ttbar) is nearest to the ``"median"`` or the ``"mean"`` of all, or the one where
            the density of the twelve momentum components (px, py, eta) is highest: the ``"mode"``.
        seed: of the random numbers.
        batch_size: events at a time.
        device: where to compute; None stays where the model is.

    Raises:
        ConfigError: for a model with another objective, an unknown estimate, or fewer than two samples.
    """

    def __init__(
        self,
        model: Any,
        samples: int = 100,
        estimate: str = "median",
        seed: int = 0,
        batch_size: int = 1024,
        device: str | torch.device | None = None,
    ):
        self.model = model if isinstance(model, EventModel) else EventModel.from_pretrained(model)
        if not isinstance(self.model.objective, TopFlow):
            found = type(self.model.objective).__name__
            raise ConfigError(f"samples of tops are drawn from what TopFlow has learned; this model has {found}")
        if estimate not in ESTIMATES:
            raise ConfigError(f"FlowMethod: estimate={estimate!r} is not possible: {nearest(estimate, ESTIMATES)}")
        if samples < 2:
            raise ConfigError(f"FlowMethod: intervals need at least 2 samples, found {samples}")
        self.samples, self.estimate, self.seed = samples, estimate, seed
        self.batch_size, self.device = batch_size, device
        self.levels: tuple[float, ...] = PROMISED

    def fit(self, events: Any, m_ttbar: Any, weight: Any = None) -> FlowMethod:
        r"""The same method with intervals of 68 and 95 % that hold 68 and 95 % of these events.

        With F the learned probability of a mass below the true one, the central interval of probability p holds the
        truth where :math:`|2 F - 1| \le p`. The p of an interval becomes that quantile of :math:`|2 F - 1|` which it
        promises. A network that is too sure of itself gets wider intervals, all by the same probability.

        Args:
            events: that the model was not trained on, as :func:`~pyg_hep.analysis.reconstruct_tops` takes them.
            m_ttbar: true mass [GeV], shape ``[N]``.
            weight: of the events, ``[N]``; 1 by default.

        Raises:
            PygHepError: for other than one mass per event, or without an event that can be used.
        """
        events, truth, weights = with_masses(events, m_ttbar, weight, "the intervals of a distribution need")
        usable = events.usable
        below = [_probability_below(truth[rows], sampled) for rows, _, sampled, _ in self._masses(events)]
        level = np.abs(2.0 * np.concatenate(below) - 1.0)[usable]
        fitted = copy.copy(self)
        fitted.levels = tuple(float(p) for p in weighted_quantiles(level, PROMISED, weights[usable]))
        return fitted

    def __call__(self, events: DileptonEvents) -> TopPairs:
        """Top pairs of events that come as graphs, with ``m_ttbar_quantiles``.

        Raises:
            ConfigError: for events that come as arrays: a network reads all objects of an event.
        """
        chosen: list[Floats] = []
        quantiles: list[Floats] = []
        one, two = self.levels
        probabilities = [0.5 - 0.5 * two, 0.5 - 0.5 * one, 0.5 + 0.5 * one, 0.5 + 0.5 * two]
        for _, p4, m_ttbar, log_prob in self._masses(events):
            place = self._chosen(m_ttbar, log_prob)
            chosen.append(p4[place, np.arange(p4.shape[1])])
            quantiles.append(np.quantile(m_ttbar, probabilities, axis=0).T)
        vectors = np.concatenate(chosen) if chosen else np.zeros((0, len(UNMEASURED), 4))
        columns: dict[str, Floats] = {name: vectors[:, k] for k, name in enumerate(UNMEASURED)}
        return TopPairs.from_daughters(
            antilepton=events.antilepton,
            lepton=events.lepton,
            **columns,
            valid=events.usable,
            reason=np.where(events.usable, Reason.NONE, events.reason),
            m_ttbar_quantiles=np.concatenate(quantiles) if quantiles else np.nan,
        )

    def draw(self, events: DileptonEvents) -> Floats:
        """All samples: (px, py, pz, E) [GeV] of b, anti-b, neutrino and antineutrino, ``[N, samples, 4, 4]``.

        Raises:
            ConfigError: for events that come as arrays.
        """
        parts = [p4.transpose(1, 0, 2, 3) for p4, _ in self._drawn(events)]
        return np.concatenate(parts) if parts else np.zeros((0, self.samples, len(UNMEASURED), 4))

    def _masses(self, events: DileptonEvents) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
        """Of some events at a time: which, samples, their m(ttbar) ``[S, B]`` and their log densities."""
        first = 0
        for p4, log_prob in self._drawn(events):
            rows = slice(first, first + p4.shape[1])
            first = rows.stop
            yield rows, p4, mass(p4.sum(2) + (events.antilepton + events.lepton)[rows]), log_prob

    @torch.no_grad()
    def _drawn(self, events: DileptonEvents) -> Any:
        """Samples ``[S, B, 4, 4]`` and their log densities ``[S, B]`` of some events at a time."""
        objective: Any = self.model.objective
        first = 0
        with evaluating(self.model, self.device):
            for batch in graphs_of(events, self.batch_size, self.model.device):
                key = events.key[first : first + batch.num_graphs]
                first += batch.num_graphs
                p4, log_prob = objective.sample(batch, self.model, self._normal(key))
                yield p4.cpu().numpy(), log_prob.double().cpu().numpy()

    def _normal(self, key: Ints) -> Tensor:
        """Random numbers of events, ``[S, B, 12]``."""
        numbers = box_muller(uniform_numbers(key, self.seed, self.samples, _NUMBERS))
        return torch.from_numpy(np.ascontiguousarray(numbers.transpose(1, 0, 2)))

    def _chosen(self, m_ttbar: Floats, log_prob: Floats) -> Ints:
        """Number of the sample that stands for an event, ``[B]``."""
        if self.estimate == "mode":
            return log_prob.argmax(0)
        middle = np.median(m_ttbar, axis=0) if self.estimate == "median" else m_ttbar.mean(0)
        distance = np.abs(m_ttbar - middle)
        return np.where(np.isnan(distance), np.inf, distance).argmin(0)


def _probability_below(truth: Floats, samples: Floats) -> Floats:
    """Of each event the probability of a mass below the true one, ``[B]``, from samples ``[S, B]``.

    Between samples it grows linearly, so that it is the inverse of :func:`numpy.quantile`.
    """
    probabilities = np.linspace(0.0, 1.0, len(samples))
    return np.array([np.interp(t, m, probabilities) for t, m in zip(truth, np.sort(samples, axis=0).T, strict=True)])
