"""What all plots share: colours, the PNG file, integer axes, marks of what lies outside, a legend beside the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.ticker import MaxNLocator, NullLocator
from matplotlib.transforms import Bbox, blended_transform_factory

COLOURS = [
    *("#3f90da", "#bd1f01", "#832db6", "#ffa90e", "#a96b59"),
    *("#94a4a2", "#e76300", "#b9ac70", "#717581", "#92dadd"),
]
"""Distinct with common colour-vision deficiencies: the set of ten of Petroff, arXiv:2107.02270, reordered."""

MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*"]
"""A shape beside every colour, for prints without colours."""

PLACES: list[Any] = [
    "upper right",
    "upper left",
    "lower right",
    "lower left",
    "center right",
    "upper center",
    "lower center",
]
"""Where a legend may be, in order of preference."""

_SETTINGS: dict[str, Any] = {
    "figure.figsize": (7.0, 5.5),
    "font.size": 14,
    "axes.labelsize": 15,
    "xtick.labelsize": 13,
    "ytick.labelsize": 13,
    "legend.fontsize": 12,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.linewidth": 1.2,
    "xtick.major.size": 7,
    "ytick.major.size": 7,
    "xtick.minor.size": 4,
    "ytick.minor.size": 4,
    "lines.linewidth": 1.8,
}


@contextmanager
def png_figure(path: str | Path, size: tuple[float, float] | None = None) -> Iterator[Figure]:
    """A figure in the field's style, written to ``path`` at the end; no display and no global state is touched."""
    path = Path(path)
    with mpl.rc_context():
        style: dict[Any, Any] = {**mplhep.style.CMS, **_SETTINGS}
        mpl.rcParams.update(style)
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        # An interrupt while drawing leaves an older plot as it was.
        unfinished = path.with_name(f".{path.name}.part")
        try:
            # Figure.savefig would draw everything twice, the first time for the layout, which drawing sees to as well.
            canvas.print_png(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def looks(count: int) -> list[tuple[str, str, str]]:
    """Colour, marker and line style of each of ``count`` samples or models; the style changes when colours repeat."""
    styles = ["-", "--", "-.", ":"]
    return [
        (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], styles[i // len(COLOURS) % len(styles)])
        for i in range(count)
    ]


def integer_ticks(axis: Axis) -> None:
    """Ticks at whole numbers only, for multiplicities, classes and epochs."""
    # At least one of them also where the axis is shorter than one.
    axis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
    axis.set_minor_locator(NullLocator())


def mark_outside(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    """Draw an arrow at the upper or lower edge for every point beyond the vertical range.

    Args:
        axes: with its final vertical limits and scale.
        x: positions, shape ``[n]``.
        y: values, shape ``[n]``; infinite ones are beyond the range, NaN is no point.
        colour: of the arrows.
    """
    low, high = axes.get_ylim()
    place = blended_transform_factory(axes.transData, axes.transAxes)
    for beyond, marker, height in ((y > high, "^", 0.93), (y < low, "v", 0.07)):
        if beyond.any():
            axes.plot(
                x[beyond], np.full(int(beyond.sum()), height), marker, color=colour, markersize=7, transform=place,
                markeredgecolor="black", markeredgewidth=0.6, gid="outside",
            )  # fmt: skip


def place_legend(axes: Axes, **options: Any) -> Legend:
    """The legend of :func:`place_legends` for one panel."""
    return place_legends([axes], **options)[0]


def place_legends(panels: Sequence[Axes], **options: Any) -> list[Legend]:
    """Legends that cover no data: in the first free place, else in room made above the data or beside the axes.

    Args:
        panels: of one figure, with everything drawn and scales set. Their upper limits are raised where that is
            needed; beside the only axes of a figure, which grows by it, comes a legend that would take more than a
            third of the height.
        options: of ``Axes.legend``.
    """
    legends = [axes.legend(**options, loc=PLACES[0]) for axes in panels]
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    # Once for all panels: the layout of a figure takes longer than everything else.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    return [_place(axes, legend, figure, options) for axes, legend in zip(panels, legends, strict=True)]


def _place(axes: Axes, legend: Legend, figure: Figure, options: dict[str, Any]) -> Legend:
    """Move a legend, or make one anew beside the axes."""
    # Matplotlib's own "best" place knows nothing of error bars, and moves when anything is drawn later.
    for place in PLACES:
        legend.set_loc(place)
        box = legend.get_window_extent()
        if not covers(axes, box):
            return legend
    # The share of the height that the legend takes, with its distance from the frame and from the data.
    share = min(box.height / axes.get_window_extent().height + 0.06, 0.7)
    if share > 0.36 and len(figure.axes) == 1:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width + box.width / figure.dpi, max(height, box.height / figure.dpi + 0.5))
        return axes.legend(**options, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    forward = axes.yaxis.get_transform()
    low, high = forward.transform(np.array(axes.get_ylim()))
    top = forward.inverted().transform(np.array([low + (high - low) / (1.0 - share)]))[0]
    axes.set_ylim(top=float(top))
    legend.set_loc(PLACES[0])
    return legend


def covers(axes: Axes, box: Bbox) -> bool:
    """Whether lines, points, histograms, error bars or texts of the axes reach into a box [pixels]."""
    return any(_reaches(artist, box) for artist in [*axes.lines, *axes.patches, *axes.collections]) or any(
        box.overlaps(text.get_window_extent()) for text in axes.texts
    )


def _reaches(artist: Any, box: Bbox) -> bool:
    place = artist.get_transform()
    if isinstance(artist, Line2D):
        path = place.transform_path(artist.get_path())
        if not len(path):
            return False
        joined = str(artist.get_linestyle()) not in ("None", "none", "", " ")
        return path.intersects_bbox(box, filled=False) if joined else bool(box.count_contains(path.vertices))
    if isinstance(artist, StepPatch):
        return place.transform_path(artist.get_path()).intersects_bbox(box, filled=artist.get_fill())
    if isinstance(artist, PathCollection):
        return bool(box.count_contains(artist.get_offset_transform().transform(np.asarray(artist.get_offsets()))))
    # Error bars, and the bands of curves.
    filled = not isinstance(artist, LineCollection)
    return any(place.transform_path(path).intersects_bbox(box, filled=filled) for path in artist.get_paths())
