"""``particle_id``: what an object is as one integer, in the modified PDG scheme of Bumblebee."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_hep.errors import ConfigError
from pyg_hep.inputs.raw import RawColumns
from pyg_hep.schema import ObjectType

SHIFT = 50
"""Added to the signed numbers -50 to 50, so that they index a table."""

SIZE = 2 * SHIFT + 1
"""Rows of the table: every number of the scheme, used or not."""

B_JET, MET, OTHER_JET, CLASS = 5, 40, 41, 50
"""Numbers of reconstructed objects that are no particle; a b-jet has that of the b quark."""

CLASS_IDS = (CLASS + SHIFT, 0, 1)
"""Of a class node in the tables of :meth:`View.bumblebee`: particle, reconstructed, hidden."""

_UNKNOWN = SIZE  # outside of the table
_OF_KIND = {ObjectType.MET: MET, ObjectType.CLASS: CLASS, ObjectType.PHOTON: 22}
# |PDG number| of charged leptons; the particles have the charge -1.
_LEPTONS = {ObjectType.ELECTRON: 11, ObjectType.MUON: 13, ObjectType.TAU: 15}
_FROM_TRUTH = (ObjectType.PARTON, ObjectType.NEUTRINO, ObjectType.PARTICLE)


def particle_ids(raw: RawColumns) -> Tensor:
    """Numbers 0 to 100 of objects, packed ``[N]`` or padded ``[B, n]``.

    A b-tagged jet has 5, another jet 41, the missing momentum 40, the class node 50; charged leptons have the PDG
    number of their charge, photons 22, and partons, neutrinos and other particles the stored ``pdg_id``; all shifted
    by 50. Of both levels alike: the column ``level`` tells them apart.

    Raises:
        ConfigError: for an object without a number between -50 and 50 (looked at on the host only): a hadron, or a
            parton of events that keep no ``pdg_id``.

    Source: Wildridge et al., arXiv:2412.07867, section 3.2.
    """
    kind = raw["kind"]
    tagged = torch.where(raw["btag"] > 0, B_JET, OTHER_JET)
    number = torch.where(kind == int(ObjectType.JET), tagged, torch.full_like(kind, _UNKNOWN))
    for member, value in _OF_KIND.items():
        number = torch.where(kind == int(member), value, number)
    for member, value in _LEPTONS.items():
        number = torch.where(kind == int(member), -value * raw["charge"].sign().to(number.dtype), number)
    if "pdg_id" in raw:
        for member in _FROM_TRUTH:
            number = torch.where(kind == int(member), raw["pdg_id"], number)
    # No particle has the number 0.
    unknown = (number.abs() > SHIFT) | (number == 0)
    if number.device.type == "cpu" and not torch.compiler.is_exporting() and bool(unknown.any()):
        place = torch.nonzero(unknown)[0].tolist()
        what = ObjectType(int(kind[tuple(place)])).name.lower()
        stored = int(raw["pdg_id"][tuple(place)]) if "pdg_id" in raw else None
        detail = "the events keep no pdg_id" if stored is None else f"its pdg_id is {stored}"
        raise ConfigError(
            f"an object of kind {what!r} has no number in Bumblebee's scheme of -{SHIFT} to {SHIFT} ({detail}): "
            "leave such objects out, or take the id column 'kind'"
        )
    return number + SHIFT
