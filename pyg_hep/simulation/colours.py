"""Colour flows for hard events that come without: one leading-colour flow of those allowed, drawn at random."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

_QUARKS = range(1, 7)
_GLUON, _BOTTOM, _TOP, _W = 21, 5, 6, 24
_FIRST_TAG = 501


class Leg(NamedTuple):
    """One particle of a hard event, as far as colour goes: PDG number, and whether it comes in."""

    pdg_id: int
    incoming: bool


class _End(NamedTuple):
    """An end of a colour line: leg, and which of its two tags (0 colour, 1 anticolour) it sets."""

    leg: int
    tag: int


def random_flow(legs: Sequence[Leg], rng: np.random.Generator) -> list[tuple[int, int]] | None:
    """Draw one of :func:`allowed_flows`, all equally likely.

    Args:
        legs: particles of the hard event without intermediate ones.
        rng: source of random numbers.

    Returns:
        Colour and anticolour tag of every leg, 0 for none; None where no flow is allowed.
    """
    flows = list(allowed_flows(legs))
    if not flows:
        return None
    tags = [[0, 0] for _ in legs]
    for number, (start, end) in enumerate(flows[rng.integers(len(flows))]):
        for place in (start, end):
            tags[place.leg][place.tag] = _FIRST_TAG + number
    return [(colour, anticolour) for colour, anticolour in tags]


def allowed_flows(legs: Sequence[Leg]) -> Iterator[list[tuple[_End, _End]]]:
    """Leading-colour flows, each a list of colour lines from where the line starts to where it ends.

    Every line starts on a quark (an outgoing one, or an incoming antiquark), passes through gluons, and ends on an
    antiquark (or incoming quark); where there are only gluons they form one closed line. Then:

    - where a W boson was exchanged (a bottom quark, a top quark and no W boson on the outside), the bottom quark
      shares a line with a top quark, as the W carries no colour;
    - otherwise the colour of an incoming quark does not end on the incoming antiquark, and that of a top quark not
      on the antitop when these two are the only quarks going out: gluons join them, and those change colours.

    Weights of the flows from partial amplitudes are not known here.
    """
    starts, ends = [], []
    for number, leg in enumerate(legs):
        gluon, quark = leg.pdg_id == _GLUON, abs(leg.pdg_id) in _QUARKS
        # Crossing: what comes in counts as its antiparticle going out, with the tags kept in their places.
        if gluon or (quark and (leg.pdg_id > 0) != leg.incoming):
            starts.append(_End(number, 1 if leg.incoming else 0))
        if gluon or (quark and (leg.pdg_id > 0) == leg.incoming):
            ends.append(_End(number, 0 if leg.incoming else 1))
    if len(starts) != len(ends) or not starts:
        return
    for order in itertools.permutations(ends):
        lines = list(zip(starts, order, strict=True))
        if _lines_close_rightly(lines, legs) and _colours_change_rightly(lines, legs):
            yield lines


def _lines_close_rightly(lines: list[tuple[_End, _End]], legs: Sequence[Leg]) -> bool:
    """Whether no gluons form a loop of their own, or all of them one where there is no quark."""
    following = {start.leg: end.leg for start, end in lines}
    quarks = [start for start in following if legs[start].pdg_id != _GLUON]
    first = quarks or [next(iter(following))]
    reached = set()
    for leg in first:
        while leg in following and leg not in reached:
            reached.add(leg)
            leg = following[leg]
    return reached == set(following)


def _colours_change_rightly(lines: list[tuple[_End, _End]], legs: Sequence[Leg]) -> bool:
    pairs = [(legs[start.leg], legs[end.leg]) for start, end in lines]
    bottoms = [leg for leg in legs if abs(leg.pdg_id) == _BOTTOM]
    tops = [leg for leg in legs if abs(leg.pdg_id) == _TOP]
    if len(bottoms) == 1 and tops and all(abs(leg.pdg_id) != _W for leg in legs):
        return any({abs(a.pdg_id), abs(b.pdg_id)} == {_BOTTOM, _TOP} for a, b in pairs)
    out = [leg.pdg_id for leg in legs if not leg.incoming and abs(leg.pdg_id) in _QUARKS]
    only_top_pair = sorted(out) == [-_TOP, _TOP]
    for a, b in pairs:
        quarks = abs(a.pdg_id) in _QUARKS and abs(b.pdg_id) in _QUARKS
        if quarks and a.incoming and b.incoming:
            return False
        if only_top_pair and quarks and not a.incoming and not b.incoming:
            return False
    return True
