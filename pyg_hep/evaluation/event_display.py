"""Draws single events in the plane of pseudorapidity and azimuth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PathCollection
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.plots import COLOURS, png_figure
from pyg_hep.schema import Level, ObjectType

if TYPE_CHECKING:
    from torch import Tensor

    from pyg_hep.datasets import EventDataset

_MARKERS = {Level.RECO: "o", Level.GEN: "D"}


def draw_event(dataset: EventDataset, index: int, path: str | Path) -> None:
    """Draw one event of a data set, under the name of its class (of its process, where a card has no label).

    Args:
        dataset: the events.
        index: position in the data set.
        path: of the PNG.

    Raises:
        PygHepError: for a position outside, and for an event without objects.
    """
    if not -len(dataset) <= index < len(dataset):
        raise PygHepError(f"no event {index} among the {len(dataset)} of {dataset!r}")
    data = dataset[index]
    pt, eta, phi, _ = data.p4.numpy().T
    name = _label(data.y, dataset.class_names)
    number = f"event {int(data.event_number)}" if "event_number" in data else f"entry {index}"
    plot_event(pt, eta, phi, data.kind, path, btag=data.btag, level=data.level, process=name, title=number)


def _label(y: Tensor, names: Sequence[str]) -> str:
    """Name of a class, or the labels of an event that are not 0."""
    if y.ndim == 1 and not y.is_floating_point():
        return names[int(y)]
    values = zip(names, y.flatten().tolist(), strict=True)
    return ", ".join(name if value == 1 else f"{name} = {value:.4g}" for name, value in values if value)


def plot_event(
    pt: ArrayLike,
    eta: ArrayLike,
    phi: ArrayLike,
    kind: ArrayLike,
    path: str | Path,
    *,
    btag: ArrayLike | None = None,
    level: ArrayLike | None = None,
    process: str = "",
    title: str = "",
) -> None:
    """Draw one event: a marker per object, its area growing with pt.

    Missing transverse momentum, which has no pseudorapidity, is a line at its azimuth; generated objects are hollow
    diamonds, b-tagged jets have a second ring.

    Args:
        pt: transverse momenta [GeV], shape ``[n]``.
        eta: pseudorapidities, shape ``[n]``.
        phi: azimuths [rad], shape ``[n]``.
        kind: :class:`~pyg_hep.schema.ObjectType`, shape ``[n]``.
        path: of the PNG.
        btag: b-tagging decisions, shape ``[n]``.
        level: :class:`~pyg_hep.schema.Level`, shape ``[n]``.
        process: what the event is, in front of the title: the name of its process or class.
        title: above the plot, such as the event's number.

    Raises:
        PygHepError: for an event without objects.
    """
    pt, eta, phi, kind = (np.asarray(values) for values in (pt, eta, phi, kind))
    if not len(pt):
        raise PygHepError("an event without objects cannot be drawn")
    tagged = np.zeros(len(pt), dtype=bool) if btag is None else np.asarray(btag) > 0
    levels = np.zeros(len(pt), dtype=int) if level is None else np.asarray(level)
    area = 30 + 1500 * pt / max(float(pt.max()), 1e-9)
    # Ten colours for twelve kinds: the last two never share a plot with the first two.
    colours = {k: COLOURS[int(k) % len(COLOURS)] for k in ObjectType}
    with png_figure(path, size=(9.0, 6.0)) as figure:
        axes = figure.add_subplot()
        for k in ObjectType:
            for one in Level:
                mine = (kind == k) & (levels == one)
                if not mine.any():
                    continue
                generated = " (generated)" if one is Level.GEN else ""
                name = k.name.lower().replace("_", " ") + generated
                if k is ObjectType.MET:
                    for value, size in zip(phi[mine], pt[mine], strict=True):
                        style = ":" if generated else "--"
                        label = f"missing $p_T${generated}, {size:.0f} GeV"
                        axes.axhline(value, color=colours[k], linestyle=style, label=label)
                    continue
                hollow = one is Level.GEN
                axes.scatter(
                    eta[mine],
                    phi[mine],
                    s=area[mine],
                    marker=_MARKERS[one],
                    facecolors="none" if hollow else colours[k],
                    edgecolors=colours[k],
                    alpha=0.9 if hollow else 0.6,
                    label=f"{name}, leading {pt[mine].max():.0f} GeV",
                )
        axes.scatter(eta[tagged], phi[tagged], s=area[tagged] * 1.7, facecolors="none", edgecolors="black")
        if tagged.any():
            axes.scatter([], [], s=120, facecolors="none", edgecolors="black", label="b-tagged")
        widest = max(2.5, float(np.abs(eta).max()) * 1.1)
        # Markers at the seam, where both edges are the same azimuth, are whole.
        for seam in (-np.pi, np.pi):
            axes.axhline(seam, color="grey", linewidth=0.8, gid="seam")
        axes.set(xlim=(-widest, widest), ylim=(-1.1 * np.pi, 1.1 * np.pi), xlabel="$\\eta$", ylabel="$\\phi$ [rad]")
        axes.set_title(", ".join(part for part in (process, title) if part), fontsize=14)
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        for handle in legend.legend_handles:
            if isinstance(handle, PathCollection):
                handle.set_sizes([90])
