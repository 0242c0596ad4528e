"""Draws single events in the plane of pseudorapidity and azimuth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.collections import PathCollection
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.plots import COLOURS, png_figure
from pyg_hep.schema import Level, ObjectType

_MARKERS = {Level.RECO: "o", Level.GEN: "D"}


def plot_event(
    pt: ArrayLike,
    eta: ArrayLike,
    phi: ArrayLike,
    kind: ArrayLike,
    path: str | Path,
    *,
    btag: ArrayLike | None = None,
    level: ArrayLike | None = None,
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
        title: above the plot.

    Raises:
        PygHepError: for an event without objects.
    """
    pt, eta, phi, kind = (np.asarray(values) for values in (pt, eta, phi, kind))
    if not len(pt):
        raise PygHepError("an event without objects cannot be drawn")
    tagged = np.zeros(len(pt), dtype=bool) if btag is None else np.asarray(btag) > 0
    levels = np.zeros(len(pt), dtype=int) if level is None else np.asarray(level)
    area = 30 + 1500 * pt / pt.max()
    # Ten colours for twelve kinds: the last two never share a plot with the first two.
    colours = {k: COLOURS[int(k) % len(COLOURS)] for k in ObjectType}
    with png_figure(path, size=(9.0, 6.0)) as figure:
        axes = figure.add_subplot()
        for k in ObjectType:
            for one in Level:
                mine = (kind == k) & (levels == one)
                if not mine.any():
                    continue
                name = k.name.lower().replace("_", " ") + (" (generated)" if one is Level.GEN else "")
                if k is ObjectType.MET:
                    for value, size in zip(phi[mine], pt[mine], strict=True):
                        axes.axhline(value, color=colours[k], linestyle="--", label=f"missing pT, {size:.0f} GeV")
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
        axes.set(xlim=(-widest, widest), ylim=(-np.pi, np.pi), xlabel="$\\eta$", ylabel="$\\phi$ [rad]")
        axes.set_title(title, fontsize=14)
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        for handle in legend.legend_handles:
            if isinstance(handle, PathCollection):
                handle.set_sizes([90])
