"""``generate_particles``: graphs with four-vectors from a trained model and the columns of jets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_hep.datasets import EventDataset, as_events
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.generation.denoiser import Denoiser
from pyg_hep.generation.samplers import DDIM, Sampler
from pyg_hep.inputs import View
from pyg_hep.inputs.columns import KIND_COLUMNS
from pyg_hep.loader import EventLoader
from pyg_hep.nn.modes import evaluating
from pyg_hep.schema import ObjectType


@torch.no_grad()
def jet_columns(view: View, dataset: Any, batch_size: int = 4096) -> dict[str, Tensor]:
    """What :func:`generate_particles` must know of jets, of true ones: the view's columns of events, in their units.

    Args:
        view: what the model sees.
        dataset: the jets: an ``EventDataset``, a ``Subset`` or ``ConcatDataset`` of such.
        batch_size: jets at a time.

    Returns:
        Every column ``[N]`` by name, and ``num_nodes``, ``y`` and ``weight``.
    """
    events = as_events(dataset)
    batches = [view.selected(batch) for batch in EventLoader(events, batch_size, device=view.mean.device)]
    columns: dict[str, Tensor] = {}
    if view.events:
        values = torch.cat([view.event_values(batch) for batch in batches]).cpu()
        columns = dict(zip(view.events, values.unbind(1), strict=True))
    counts = torch.cat([batch.ptr.diff() for batch in batches]).cpu()
    return {**columns, "num_nodes": counts, "y": events.column("y"), "weight": events.column("weight")}


@torch.no_grad()
def generate_particles(
    model: Any,
    jets: Mapping[str, Any],
    calls: int = 64,
    sampler: type[Sampler] = DDIM,
    batch_size: int = 512,
    seed: int = 0,
    class_names: Sequence[str] = (),
) -> EventDataset:
    r"""Particles of jets of which the columns, the number of particles and the class are known.

    Where only columns relative to the jet are noised, momenta are :math:`p_T = (1 - e^c) \, p_T^\mathrm{jet}` with
    c = ln(1 - pT / pT of the jet), and particles have no mass. An estimate c above 0 would be a negative momentum:
    such particles have pT = 0, and the event column ``clipped`` counts them. Where the kind and the charge of
    particles are noised too, the likeliest kind and the nearest charge are taken.

    The same numbers come out for the same seed, whatever ``batch_size`` is, but for rounding.

    Args:
        model: a trained :class:`~pyg_hep.training.EventModel` whose objective is, or has, a
            :class:`~pyg_hep.objectives.Diffusion`; it stays where and as it is.
        jets: columns ``[N]`` by name: every event column of the model's view in its unit, and ``num_nodes``, whole
            numbers of at least 1; ``y``, the class, where the model was told one (left out: hidden from it);
            ``total_phi`` (left out: uniform); ``weight`` (left out: 1). Others are not looked at. See
            :func:`jet_columns` and :class:`JetGenerator`.
        calls: of the backbone for each jet: an even number.
        sampler: class of it, :class:`DDIM` or, on the linear path, :class:`FlowMidpoint`.
        batch_size: jets at a time.
        seed: of the noise and the azimuths.
        class_names: of the classes in ``y``; those that the model was trained with by default.

    Returns:
        The jets, in their order: ``p4``, ``kind`` and ``charge``; ``y``, ``weight`` and ``clipped``.

    Raises:
        ConfigError: for a model that generates nothing, or columns that are missing or cannot be those of jets.
    """
    denoiser: Denoiser | None = model.objective.find(Denoiser)
    if denoiser is None:
        raise ConfigError(f"{type(model.objective).__name__} generates nothing: a model trained by Diffusion is needed")
    view: View = model.view
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, found {batch_size}")
    table = _checked(view, jets, denoiser.num_classes)
    counts, device = table["num_nodes"], view.mean.device
    generator = torch.Generator().manual_seed(seed)
    if "total_phi" in denoiser.diffused.assumed and "total_phi" not in table:
        table["total_phi"] = (2.0 * torch.rand(len(counts), generator=generator, dtype=torch.float64) - 1.0) * math.pi
    widths = int(counts.sum()), len(denoiser.diffused.names)
    noise = torch.randn(widths, generator=generator, dtype=view.mean.dtype)
    method, found, p4, clipped = sampler(denoiser.process), [], [], []
    with evaluating(model):
        for rows, z in zip(
            torch.arange(len(counts)).split(batch_size), noise.split(_sums(counts, batch_size)), strict=True
        ):
            part = {name: values[rows].to(device) for name, values in table.items()}
            u = None
            if view.events:
                values = torch.stack([part[name].to(view.mean.dtype) for name in view.events], dim=1)
                u = (values - view.event_mean) / view.event_scale
            made = denoiser.diffused.empty(view, part["num_nodes"], u)
            label = part["y"] if "y" in part and denoiser.num_classes else None
            z = denoiser.sample(model, made, label, z.to(device), calls, method)
            known = {}
            if "total_phi" in part:
                known["total_phi"] = part["total_phi"].to(z.dtype)[made.batch]
            p4.append(denoiser.diffused.momenta(view, made, z, known).cpu())
            negative = denoiser.diffused.negative(view, z)
            clipped.append(torch.zeros_like(part["num_nodes"]).index_add(0, made.batch, negative.long()).cpu())
            found.append(z.cpu())
    nodes = {"p4": _stored(torch.cat(p4)), **_kinds(view, denoiser.diffused.places, torch.cat(found))}
    events = {name: table[name] for name in ("y", "weight") if name in table} | {"clipped": torch.cat(clipped)}
    names = list(class_names)
    if not names and "y" in table:
        names = list(getattr(model, "metadata", {}).get("data", {}).get("class_names", ()))
    return EventDataset.from_columns(nodes, counts, events, names)


def _sums(counts: Tensor, batch_size: int) -> list[int]:
    return [int(part.sum()) for part in counts.split(batch_size)]


def _stored(p4: Tensor) -> Tensor:
    """As a graph stores it: float32, where pi must stay below pi."""
    p4 = p4.float()
    edge = torch.tensor(math.pi, dtype=torch.float32)
    p4[:, 2] = torch.where(p4[:, 2] >= edge, -edge, p4[:, 2]).clamp(min=-float(edge))
    return p4


def _checked(view: View, jets: Mapping[str, Any], num_classes: int) -> dict[str, Tensor]:
    """The columns that count, of equal length."""
    needed = [*view.events, *(() if "num_nodes" in view.events else ("num_nodes",))]
    optional = [name for name in ("y", "total_phi", "weight") if name in jets and name not in needed]
    table: dict[str, Tensor] = {}
    for name in (*needed, *optional):
        if name not in jets:
            raise ConfigError(f"the jets have no column {name!r}: {nearest(name, [str(key) for key in jets])}")
        values = torch.as_tensor(jets[name]).detach().cpu().reshape(-1)
        if table and len(values) != len(table[needed[0]]):
            raise ConfigError(f"{len(values)} jets have a column {name!r}, {len(table[needed[0]])} {needed[0]!r}")
        if not bool(values.isfinite().all()):
            raise ConfigError(f"{int((~values.isfinite()).sum())} jets have no finite {name!r}")
        table[name] = values
    counts = table["num_nodes"]
    if not len(counts) or bool((counts < 1).any()) or bool((counts != counts.round()).any()):
        raise ConfigError("num_nodes must hold whole numbers of at least 1, of at least one jet")
    table["num_nodes"] = counts.long()
    if "y" in table and num_classes and not bool(((table["y"] >= 0) & (table["y"] < num_classes)).all()):
        raise ConfigError(f"y must hold classes from 0 to {num_classes - 1}, those that the model was trained with")
    return table


def _kinds(view: View, places: Sequence[int], z: Tensor) -> dict[str, Tensor]:
    """Kind and charge of particles where columns say it."""
    names = [view.columns[place] for place in places]
    x = {name: z[:, k] * view.scale[place].cpu() + view.mean[place].cpu() for k, (name, place) in
         enumerate(zip(names, places, strict=True))}  # fmt: skip
    kinds = {kind: f"is_{kind.name.lower()}" for kind in ObjectType}
    flags = {kind: x[name] for kind, name in kinds.items() if name in x and name in KIND_COLUMNS}
    made: dict[str, Tensor] = {}
    if flags:
        likeliest = torch.stack(list(flags.values()), dim=1).argmax(dim=1)
        made["kind"] = torch.tensor([int(kind) for kind in flags])[likeliest]
    if "charge" in x:
        made["charge"] = x["charge"].round().clamp(-1.0, 1.0)
    return made
