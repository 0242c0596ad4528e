"""What every reconstruction of top pairs gives, whatever its method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from pyg_hep.analysis.tops.events import DileptonEvents, Reason
from pyg_hep.analysis.tops.momenta import Floats, Ints, Mask, mass, on_shell, take_rows, transverse
from pyg_hep.analysis.tops.pairing import paired_jets
from pyg_hep.errors import PygHepError
from pyg_hep.metrics import ONE_SIGMA, TWO_SIGMA
from pyg_hep.spin import c_han, c_hel, lepton_directions, spin_axes

VECTORS = ("top", "antitop", "b", "antib", "antilepton", "lepton", "neutrino", "antineutrino")

QUANTILES = (0.5 - 0.5 * TWO_SIGMA, 0.5 - 0.5 * ONE_SIGMA, 0.5 + 0.5 * ONE_SIGMA, 0.5 + 0.5 * TWO_SIGMA)
"""Probabilities of the quantiles of m(ttbar) that methods give which predict a distribution."""


@dataclass(frozen=True)
class TopPairs:
    """Top pairs of N events; all four-vectors are (px, py, pz, E) [GeV], float64, shape ``[N, 4]``.

    Args:
        top: of the top, whose charged lepton is positive.
        antitop: of the antitop.
        b: of the b quark, or the jet that stands for it.
        antib: of the anti-b quark.
        antilepton: of the positive lepton.
        lepton: of the negative lepton.
        neutrino: of the top's neutrino.
        antineutrino: of the antitop's.
        valid: events that have tops, ``[N]``; the rows of others hold NaN.
        weight: how well an event fits its solution, ``[N]``; what it means is up to the method, 0 where not valid.
        pairing: 0 if the first jet is the b quark's, 1 if the second, -1 where nobody chose, ``[N]``.
        reason: :class:`~pyg_hep.analysis.tops.Reason` why an event has no tops, ``[N]``.
        fallback: events whose tops are those of the method to fall back on, ``[N]``.
        m_ttbar_quantiles: quantiles of the mass of the pair [GeV] at the probabilities :data:`QUANTILES`, ``[N, 4]``;
            NaN where the method gives one value and no distribution.
    """

    top: Floats
    antitop: Floats
    b: Floats
    antib: Floats
    antilepton: Floats
    lepton: Floats
    neutrino: Floats
    antineutrino: Floats
    valid: Mask
    weight: Floats
    pairing: Ints
    reason: Ints
    fallback: Mask
    m_ttbar_quantiles: Floats

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def p4(self) -> Floats:
        """Four-vector of the pair, shape ``[N, 4]``."""
        return self.top + self.antitop

    @property
    def m_ttbar(self) -> Floats:
        """Mass of the pair [GeV], shape ``[N]``."""
        return mass(self.p4)

    @property
    def has_intervals(self) -> bool:
        """Whether some events have intervals of m(ttbar)."""
        return bool(np.isfinite(self.m_ttbar_quantiles).all(1).any())

    @property
    def m_ttbar_68(self) -> Floats:
        """Ends of the central interval of m(ttbar) [GeV] with the probability 68.3 %, ``[N, 2]``."""
        return self.m_ttbar_quantiles[:, 1:3]

    @property
    def m_ttbar_95(self) -> Floats:
        """Ends of the central interval of m(ttbar) [GeV] with the probability 95.4 %, ``[N, 2]``."""
        return self.m_ttbar_quantiles[:, ::3]

    @property
    def pt_ttbar(self) -> Floats:
        """Transverse momentum of the pair [GeV], shape ``[N]``."""
        return transverse(self.p4)

    @property
    def c_hel(self) -> Floats:
        """Cosine of the angle between the charged leptons, each in its own top's rest frame, shape ``[N]``."""
        return self._of_valid(lambda plus, minus, axes: c_hel(plus, minus))

    @property
    def c_han(self) -> Floats:
        """``c_hel`` with the sign of the part along the top's direction turned, see :func:`pyg_hep.spin.c_han`."""
        return self._of_valid(lambda plus, minus, axes: c_han(plus, minus, axes.k))

    def _of_valid(self, observable: Callable[[Any, Any, Any], Any]) -> Floats:
        """A number of every pair, NaN where there are no tops, or one without a rest frame."""
        rows = self.valid & (mass(self.top) > 0) & (mass(self.antitop) > 0)
        result = np.full(len(self), np.nan)
        top, antitop, *leptons = (getattr(self, n)[rows] for n in ("top", "antitop", "antilepton", "lepton"))
        result[rows] = observable(*lepton_directions(top, antitop, *leptons), spin_axes(top, antitop))
        return result

    @property
    def reasons(self) -> dict[str, int]:
        """Events by what became of them; reconstructed are those of the method itself, fallbacks stand apart."""
        own = int((self.valid & ~self.fallback).sum())
        counted = {Reason.NONE.sentence: own}
        if self.fallback.any():
            counted["reconstructed by the fallback"] = int(self.fallback.sum())
        for reason in Reason:
            number = int((~self.valid & (self.reason == reason)).sum())
            if reason != Reason.NONE and number:
                counted[reason.sentence] = number
        return counted

    def __getitem__(self, rows: Any) -> TopPairs:
        """Some of the events."""
        return TopPairs(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def or_else(self, other: TopPairs) -> TopPairs:
        """These top pairs, and those of ``other`` where there are none; marked as ``fallback``."""
        if len(other) != len(self):
            raise PygHepError(f"a fallback for {len(self)} events has {len(other)}")
        taken = ~self.valid & other.valid
        columns = {}
        for name in (f.name for f in fields(self)):
            mine, theirs = getattr(self, name), getattr(other, name)
            columns[name] = np.where(taken[:, None] if mine.ndim == 2 else taken, theirs, mine)
        return TopPairs(**columns | {"fallback": self.fallback | taken})

    @classmethod
    def from_daughters(
        cls, antilepton: Any, b: Any, neutrino: Any, lepton: Any, antib: Any, antineutrino: Any, **columns: Any
    ) -> TopPairs:
        """Tops as the sums of their daughters, measured or predicted; rows that are not finite are not valid.

        Args:
            antilepton: (px, py, pz, E) [GeV], shape ``[N, 4]``; so are the other five.
            b: of the b quark.
            neutrino: of the neutrino.
            lepton: of the negative lepton.
            antib: of the anti-b quark.
            antineutrino: of the antineutrino.
            columns: ``valid``, ``weight``, ``pairing``, ``reason`` or ``m_ttbar_quantiles``, if there is more to say.

        Raises:
            PygHepError: for arrays of other shapes.
        """
        given = {
            "antilepton": antilepton, "b": b, "neutrino": neutrino,
            "lepton": lepton, "antib": antib, "antineutrino": antineutrino,
        }  # fmt: skip
        vectors = {name: np.asarray(values, dtype=np.float64) for name, values in given.items()}
        size = len(vectors["b"])
        for name, values in vectors.items():
            if values.shape != (size, 4):
                raise PygHepError(f"{name} of {size} top pairs has shape {(size, 4)}, got {values.shape}")
        vectors["top"] = vectors["antilepton"] + vectors["b"] + vectors["neutrino"]
        vectors["antitop"] = vectors["lepton"] + vectors["antib"] + vectors["antineutrino"]
        valid = np.isfinite(vectors["top"]).all(1) & np.isfinite(vectors["antitop"]).all(1)
        valid &= np.asarray(columns.pop("valid", True))
        result = cls(
            **vectors,
            valid=valid,
            weight=np.broadcast_to(np.asarray(columns.pop("weight", 1.0), np.float64), (size,)),
            pairing=np.broadcast_to(np.asarray(columns.pop("pairing", -1), np.int64), (size,)),
            reason=np.broadcast_to(np.asarray(columns.pop("reason", Reason.NONE), np.int64), (size,)),
            fallback=np.zeros(size, bool),
            m_ttbar_quantiles=np.broadcast_to(
                np.asarray(columns.pop("m_ttbar_quantiles", np.nan), np.float64), (size, len(QUANTILES))
            ),
        )
        if columns:
            raise PygHepError(f"top pairs have no column {sorted(columns)[0]!r}")
        return result._blanked()

    @classmethod
    def from_neutrinos(
        cls, events: DileptonEvents, neutrino: Floats, antineutrino: Floats, pairing: Ints, weight: Any = 1.0
    ) -> TopPairs:
        """Tops of measured leptons and jets, paired by ``pairing`` ``[N]``, and massless neutrinos ``[N, 3]``."""
        jets = take_rows(paired_jets(events), pairing)
        valid = events.usable & (pairing >= 0)
        return cls.from_daughters(
            events.antilepton, jets[:, 0], on_shell(neutrino), events.lepton, jets[:, 1], on_shell(antineutrino),
            valid=valid, weight=weight, pairing=pairing, reason=events.reason,
        )  # fmt: skip

    def with_vectors(self, **vectors: Floats) -> TopPairs:
        """The same with other four-vectors, ``top=`` say; rows that are not valid stay NaN."""
        columns: dict[str, Any] = dict(vectors)
        return replace(self, **columns)._blanked()

    def _blanked(self) -> TopPairs:
        """NaN in every row that is not valid, and a reason for it."""
        names = (*VECTORS, "m_ttbar_quantiles")
        columns: dict[str, Any] = {n: np.where(self.valid[:, None], getattr(self, n), np.nan) for n in names}
        columns["weight"] = np.where(self.valid, self.weight, 0.0)
        columns["pairing"] = np.where(self.valid, self.pairing, -1)
        columns["reason"] = np.where(~self.valid & (self.reason == Reason.NONE), Reason.NO_SOLUTION, self.reason)
        return replace(self, **columns)
