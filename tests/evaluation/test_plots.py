"""Plots show the numbers they are given, write a PNG, and leave everything else alone."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import classification_report, plots
from pyg_hep.evaluation.plots.style import covers
from pyg_hep.metrics import background_rejection, roc_auc


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures written to files, for a look at what is in them."""
    figures: list[Figure] = []
    original = FigureCanvasAgg.print_png

    def record(self, *args, **kwargs):
        figures.append(self.figure)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", record)
    return figures


def labels_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def scores(events: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, events)
    return y, 1 / (1 + np.exp(-rng.normal(2.0 * y - 1.0, 1.0))), rng.normal(1.0, 0.4, events)


HISTORY = [{"epoch": float(k), "train_loss": 1.0 / (k + 1), "val_loss": 0.5 + (k - 3) ** 2 / 50} for k in range(6)]
ALL = {
    "roc": lambda path: plots.plot_roc({"a": scores(), "b": (*scores(seed=1)[:2], None)}, path, replicas=10),
    "scores": lambda path: plots.plot_scores(*scores()[:2], ["background", "signal"], path, scores()[2]),
    "losses": lambda path: plots.plot_losses({"a": HISTORY, "b": HISTORY}, path),
    "methods": lambda path: plots.plot_methods(
        {"WH_ZH": {"trees": (0.6, 0.01), "probe": (0.61, None)}}, path, "AUC [%]"
    ),
    "gains": lambda path: plots.plot_gains({"WH_ZH": (0.01, 0.004), "stop_ttH": (-0.002, 0.003)}, path),
    "curves": lambda path: plots.plot_curves(
        {"a": {1000: (0.7, 0.02), 10_000: (0.8, 0.01)}, "b": {1000: (0.6, 0.02)}}, path, "AUC", reference=0.5
    ),
    "confusion": lambda path: plots.plot_confusion([0, 1, 1], np.eye(2)[[0, 1, 0]], ["a", "b"], path),
    "compare": lambda path: plots.compare_histograms({"$p_T$ [GeV]": {"a": scores()[1], "b": scores()[1:]}}, path),
}


@pytest.mark.parametrize("name", ALL)
def test_every_plot_writes_a_picture_and_leaves_no_trace(name, tmp_path):
    settings = dict(mpl.rcParams)
    path = tmp_path / "new" / "folder" / "plot.png"
    ALL[name](path)
    picture = matplotlib.image.imread(path)
    assert min(picture.shape[:2]) > 200
    assert picture[..., :3].std() > 0.02  # not blank
    assert list(path.parent.iterdir()) == [path]
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize("name", ALL)
def test_text_of_every_plot_lies_on_the_picture(name, tmp_path, drawn):
    ALL[name](tmp_path / "plot.png")
    figure = drawn[0]
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 > -1
        assert box.y0 > -1
        assert box.x1 < width + 1
        assert box.y1 < height + 1


def test_interrupted_drawing_leaves_the_older_plot(tmp_path, monkeypatch):
    path = tmp_path / "plot.png"
    path.write_bytes(b"older")

    def interrupt(self, target, **kwargs):
        Path(target).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(FigureCanvasAgg, "print_png", interrupt)
    with pytest.raises(KeyboardInterrupt):
        plots.plot_losses({"a": HISTORY}, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_roc_curve_of_one_training_has_the_rejection_and_the_auc_of_the_report(tmp_path, drawn):
    y, score, w = scores()
    plots.plot_roc({"model": (y, score, w)}, tmp_path / "roc.png")
    x, rejection = drawn[0].axes[0].get_lines()[0].get_data()
    at_half = int(np.abs(x - 0.5).argmin())
    # Linear interpolation in both; the running maximum of negative weights shifts the curve by a few events.
    assert rejection[at_half] == pytest.approx(background_rejection(y, score, x[at_half], w), rel=0.02)
    report = classification_report(y, score, w)
    assert labels_of(drawn[0])[0] == f"model, AUC = {report['auc']:.4f} $\\pm$ {report['auc_error']:.4f}"
    assert drawn[0].axes[0].get_legend().get_title().get_text() == "band: error of test events"


def trainings(count: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Scores of several trainings for the same test events, some better than others."""
    y, score, w = scores()
    rng = np.random.default_rng(2)
    return [(y, score + 0.1 * k * rng.normal(size=len(y)), w) for k in range(count)]


def test_roc_curve_of_several_trainings_has_their_mean_auc_and_the_band_of_their_spread(tmp_path, drawn):
    runs = trainings(3)
    plots.plot_roc({"tuned": runs, "one": runs[0]}, tmp_path / "roc.png", replicas=20)
    areas = [roc_auc(*run) for run in runs]
    assert f"tuned (3 trainings), AUC = {np.mean(areas):.4f} " in labels_of(drawn[0])[0]
    assert f"one, AUC = {areas[0]:.4f} " in labels_of(drawn[0])[1]
    axes = drawn[0].axes[0]
    x, rejection = axes.get_lines()[0].get_data()
    # The area under the mean curve, whose part below an efficiency of 0.05 is at most 0.05 of background efficiency.
    assert 1 - np.trapezoid(1 / rejection, x) - np.mean(areas) == pytest.approx(0, abs=0.002)
    at_half = int(np.abs(x - 0.5).argmin())
    efficiency = [1 / background_rejection(run[0], run[1], x[at_half], run[2]) for run in runs]
    spread = np.log(efficiency).std(ddof=1)
    band = axes.collections[0].get_paths()[0].vertices
    low, high = (f(band[np.isclose(band[:, 0], x[at_half]), 1]) for f in (np.min, np.max))
    assert np.log(high / low) / 2 == pytest.approx(spread, rel=0.1)
    assert axes.get_legend().get_title().get_text() == "band: spread of trainings"


def test_roc_curve_takes_the_areas_of_a_table_and_refuses_those_of_others(tmp_path, drawn):
    runs = trainings(3)
    table = {"auc": float(np.mean([roc_auc(*run) for run in runs])), "auc_error": 0.0123}
    areas = {"tuned": (table["auc"], table["auc_error"])}
    plots.plot_roc({"tuned": runs}, tmp_path / "roc.png", areas=areas, replicas=5)
    assert labels_of(drawn[0])[0] == f"tuned (3 trainings), AUC = {table['auc']:.4f} $\\pm$ 0.0123"
    plots.plot_roc({"tuned": runs[:1]}, tmp_path / "roc.png", areas={"tuned": (roc_auc(*runs[0]), None)}, replicas=5)
    assert labels_of(drawn[1])[0] == f"tuned, AUC = {roc_auc(*runs[0]):.4f}"
    with pytest.raises(PygHepError, match="the table's AUC is 0.5000, that of the curve"):
        plots.plot_roc({"tuned": runs}, tmp_path / "other.png", areas={"tuned": (0.5, 0.1)}, replicas=5)
    with pytest.raises(PygHepError, match=r"areas of \['scratch'\]"):
        plots.plot_roc({"tuned": runs}, tmp_path / "other.png", areas={"scratch": (0.5, 0.1)}, replicas=5)


def test_rejection_without_background_is_that_of_one_average_event(tmp_path, drawn):
    y = np.repeat([0, 1], 50)
    plots.plot_roc({"perfect": (y, y.astype(float), None)}, tmp_path / "roc.png", replicas=5)
    rejection = drawn[0].axes[0].get_lines()[0].get_ydata()
    assert rejection[0] == pytest.approx(50)
    assert background_rejection(y, y.astype(float), 0.5) == pytest.approx(50)


def test_score_distributions_are_normalised_to_one(tmp_path, drawn):
    y, score, w = scores()
    plots.plot_scores(y, score, ["background", "signal"], tmp_path / "scores.png", w)
    assert labels_of(drawn[0]) == ["background", "signal"]
    for patch in drawn[0].axes[0].patches:
        assert patch.get_data().values.sum() == pytest.approx(1.0)


def test_scores_with_negative_bins_are_shown_whole(tmp_path, drawn):
    y, score = np.zeros(101, dtype=int), np.full(101, 0.9)
    score[0], w = 0.1, np.ones(101)
    w[0] = -40.0
    plots.plot_scores(y, score, ["a"], tmp_path / "scores.png", w)
    assert drawn[0].axes[0].get_ylim()[0] < -40 / 60


def test_class_without_events_is_named_so(tmp_path, drawn):
    plots.plot_scores([0, 0], [0.2, 0.3], ["background", "signal"], tmp_path / "scores.png")
    assert labels_of(drawn[0]) == ["background", "signal (no events)"]


def test_loss_curves_start_at_epoch_one_and_mark_the_best(tmp_path, drawn):
    plots.plot_losses({"run": HISTORY}, tmp_path / "loss.png")
    training, validation, best = drawn[0].axes[0].get_lines()
    assert training.get_xdata()[0] == 1
    np.testing.assert_allclose(validation.get_ydata(), [e["val_loss"] for e in HISTORY])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (4, 0.5)
    assert labels_of(drawn[0]) == ["run", "training", "validation, lowest marked"]


@pytest.mark.parametrize("epochs", [1, 2, 6, 300])
def test_epochs_are_whole_numbers_on_the_axis(epochs, tmp_path, drawn):
    plots.plot_losses({"run": [{"epoch": k, "val_loss": 1.0 + k} for k in range(epochs)]}, tmp_path / "loss.png")
    assert_whole(drawn[0].axes[0])
    if epochs == 1:  # a line of one point needs a marker to be seen
        assert drawn[0].axes[0].get_lines()[0].get_marker() == "s"


def assert_whole(axes) -> None:
    low, high = axes.get_xlim()
    ticks = [t for t in [*axes.get_xticks(), *axes.xaxis.get_minorticklocs()] if low <= t <= high]
    assert len(axes.get_xticks()) > 0
    assert ticks == [round(t) for t in ticks]


def test_losses_that_are_not_finite_are_counted(tmp_path, drawn):
    history = [{"epoch": k, "val_loss": v} for k, v in enumerate([1.0, 0.5, np.inf, np.nan])]
    plots.plot_losses({"run": history}, tmp_path / "loss.png")
    assert labels_of(drawn[0])[0] == "run (2 epochs not finite)"
    assert drawn[0].axes[0].get_lines()[1].get_xdata()[0] == 2


def test_gains_are_shown_in_percentage_points(tmp_path, drawn):
    plots.plot_gains({"WH_ZH": (0.012, 0.004)}, tmp_path / "gain.png")
    assert [t.get_text() for t in drawn[0].axes[0].texts] == ["+1.20 $\\pm$ 0.40"]


def test_methods_stand_beside_the_reference_and_one_that_a_task_lacks_has_no_point(tmp_path, drawn):
    figures = {"a": {"trees": (0.6, 0.01), "probe": (0.62, None)}, "b": {"probe": (0.9, 0.02)}}
    plots.plot_methods(figures, tmp_path / "methods.png", "AUC [%]", reference="trees")
    first, second = drawn[0].axes
    assert [text.get_text() for text in first.get_yticklabels()] == ["trees", "probe"]
    np.testing.assert_allclose(second.get_lines()[0].get_xydata(), [[90.0, 1.0]])
    lines = [line.get_xdata() for line in first.get_lines()]
    assert any(np.allclose(x, 60.0) and len(x) == 2 for x in lines)  # the reference
    assert any(np.allclose(x, [60.0, 62.0]) for x in lines)
    with pytest.raises(PygHepError, match="no figure of a method"):
        plots.plot_methods({}, tmp_path / "none.png", "AUC [%]")


def test_figures_of_one_run_are_drawn_without_an_error(tmp_path, drawn):
    plots.plot_gains({"WH_ZH": (0.012, None)}, tmp_path / "gain.png")
    assert [t.get_text() for t in drawn[0].axes[0].texts] == ["+1.20"]
    plots.plot_curves({"a": {1000: (0.7, None), 10_000: (0.8, 0.01)}}, tmp_path / "curves.png", "AUC")
    bars = drawn[1].axes[0].collections[0].get_segments()
    assert [len(bar) > 0 and bool(np.isfinite(bar).all()) for bar in bars] == [False, True]


def test_figures_that_a_logarithmic_axis_cannot_show_are_marked(tmp_path, drawn):
    curves = {"a": {1000: (-0.1, 0.2), 10_000: (0.4, 0.1)}}
    plots.plot_curves(curves, tmp_path / "curves.png", "ratio", logarithmic=True)
    (arrow,) = marks(drawn[0].axes[0], "outside")
    assert arrow.get_xdata().tolist() == [1000]
    assert arrow.get_marker() == "v"


def marks(axes, gid: str) -> list:
    return [line for line in axes.get_lines() if line.get_gid() == gid]


def test_confusion_rows_are_fractions_of_the_true_class(tmp_path, drawn):
    probability = np.eye(3)[[0, 0, 1, 2, 2]]
    plots.plot_confusion([0, 0, 0, 1, 2], probability, ["a", "b", "c"], tmp_path / "c.png", [1, 1, 2, 1, 1])
    image = drawn[0].axes[0].images[0].get_array()
    np.testing.assert_allclose(image, [[0.5, 0.5, 0], [0, 0, 1], [0, 0, 1]])


def compared(drawn, tmp_path, label: str, **samples):
    plots.compare_histograms({label: samples}, tmp_path / "c.png")
    return drawn[-1].axes


def test_compared_samples_keep_their_fractions_and_ratio(tmp_path, drawn):
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, 5000), rng.integers(0, 3, 3000)
    upper, lower = compared(drawn, tmp_path, "number of jets", CMS=first, simulation=(second, np.full(3000, 2.0)))
    histograms = [p.get_data().values for p in upper.patches]
    np.testing.assert_allclose(histograms[0], np.bincount(first) / 5000)
    np.testing.assert_allclose(histograms[1], np.bincount(second, minlength=4) / 3000)
    points = lower.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(points, histograms[1] / histograms[0])
    assert lower.get_ylabel() == "ratio"  # "simulation / CMS" does not fit beside the panel
    assert_whole(lower)
    assert labels_of(drawn[0]) == ["CMS", "simulation"]
    assert not marks(upper, "entries above")


def test_entries_beyond_the_range_are_marked_with_their_share(tmp_path, drawn):
    rng = np.random.default_rng(0)
    values, weight = rng.exponential(40.0, 10_000), np.full(10_000, 0.5)
    far = np.flatnonzero(values > np.quantile(values, 0.995))
    weight[far[:10]] = 20.0
    upper, _ = compared(drawn, tmp_path, "jet $p_T$ [GeV]", CMS=(values, weight), b=rng.exponential(20.0, 10_000))
    end = upper.get_xlim()[1]
    share = weight[values > end].sum() / weight.sum()
    assert share > 0.03
    assert labels_of(drawn[0])[0] == f"CMS\n{100 * share:.1f} % above"
    (arrow,) = marks(upper, "entries above")
    assert arrow.get_marker() == ">"
    assert not marks(upper, "entries below")
    # The bins and what is beside them make the whole sample.
    assert upper.patches[0].get_data().values.sum() + share == pytest.approx(1.0)


def test_a_few_entries_beyond_the_range_are_counted(tmp_path, drawn):
    rng = np.random.default_rng(0)
    first = np.concatenate([rng.normal(0, 1, 99_998), [-50.0, -60.0]])
    compared(drawn, tmp_path, "x", CMS=first, b=np.clip(rng.normal(0, 1, 5000), -2, 2))
    (text, _) = labels_of(drawn[0])
    below = int((first < drawn[0].axes[0].get_xlim()[0]).sum())
    assert f"{100 * below / 1e5:.1f} % below" in text  # 0.5 % on this side
    heavy = np.concatenate([np.zeros(30_000), np.ones(30_000), [60.0, 70.0]])
    compared(drawn, tmp_path, "n", CMS=heavy, b=heavy[:-2])
    assert labels_of(drawn[1]) == ["CMS\n2 above", "b"]


def test_a_range_with_natural_ends_hides_nothing(tmp_path, drawn):
    phi = np.random.default_rng(0).uniform(-np.pi, np.pi, 5000)
    upper, _ = compared(drawn, tmp_path, "jet $\\phi$ [rad]", a=phi, b=phi[::2])
    assert upper.get_xlim() == (phi.min(), phi.max())
    assert labels_of(drawn[0]) == ["a", "b"]


def test_undefined_entries_are_counted(tmp_path, drawn):
    values = np.linspace(0, 1, 1000)
    compared(drawn, tmp_path, "x", a=values, b=np.append(values, [np.nan, np.inf]))
    assert labels_of(drawn[0]) == ["a", "b\n2 undefined"]


def test_ratios_beyond_the_panel_are_arrows_at_its_edge(tmp_path, drawn):
    first = np.repeat([0, 1, 2, 4], [400, 300, 200, 100])  # nothing in bin 3
    second = np.repeat([0, 1, 2, 3, 4], [50, 300, 550, 50, 50])
    _, lower = compared(drawn, tmp_path, "number of jets", a=first, b=second)
    (arrow,) = marks(lower, "outside")
    assert arrow.get_marker() == "^"
    assert arrow.get_xdata().tolist() == [2, 3]  # 0.55 / 0.2, and 0.05 / 0
    assert 0 < arrow.get_ydata()[0] < 1  # in the panel, as a fraction of its height
    minus = np.where(second == 0, -1.0, 1.0)
    _, lower = compared(drawn, tmp_path, "number of jets", a=first, b=(second, minus))
    assert {m.get_marker(): m.get_xdata().tolist() for m in marks(lower, "outside")} == {"^": [2, 3], "v": [0]}


def test_negative_bins_on_a_logarithmic_axis_are_marked(tmp_path, drawn):
    first = np.repeat(np.arange(12), [5000, *[10] * 11])
    w = np.where(first == 3, -1.0, 1.0)
    upper, _ = compared(drawn, tmp_path, "n", a=(first, w), b=first)
    assert upper.get_yscale() == "log"
    assert [m.get_xdata().tolist() for m in marks(upper, "outside")] == [[3]]


def test_many_whole_numbers_have_bins_of_the_same_number_of_them(tmp_path, drawn):
    rng = np.random.default_rng(0)
    upper, _ = compared(drawn, tmp_path, "constituents", a=rng.integers(10, 110, 5000), b=rng.integers(10, 110, 5000))
    edges = upper.patches[0].get_data().edges
    assert len(edges) <= 31
    assert set(np.diff(edges)) == {4.0}
    assert edges[0] == 9.5
    assert_whole(upper)


def test_one_sample_has_no_ratio(tmp_path, drawn):
    (axes,) = compared(drawn, tmp_path, "x [GeV]", a=np.linspace(0, 1, 100))
    assert axes.get_xlabel() == "x [GeV]"


def test_histograms_have_the_error_bars_of_their_weights(tmp_path, drawn):
    values, w = np.repeat([0, 1], [90, 10]), np.repeat([1.0, 3.0], [90, 10])
    upper, _ = compared(drawn, tmp_path, "n", a=(values, w), b=values)
    bars = np.array(upper.collections[0].get_segments())
    np.testing.assert_allclose(np.diff(bars[:, :, 1], axis=1)[:, 0] / 2, [90**0.5 / 120, 90**0.5 / 120])


@pytest.mark.parametrize("name", ALL)
def test_legends_cover_no_data(name, tmp_path, drawn):
    ALL[name](tmp_path / "plot.png")
    for axes in drawn[0].axes:
        legend = axes.get_legend()
        if legend is not None:
            assert not covers(axes, legend.get_window_extent())


@pytest.mark.parametrize(("names", "layouts"), [(("a",), 1), (("a long name " * 3, "b", "c", "d"), 2)])
def test_panels_are_laid_out_again_only_where_a_legend_changed_them(names, layouts, tmp_path, drawn, monkeypatch):
    done = []
    original = ConstrainedLayoutEngine.execute
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda *of: (done.append(1), original(*of))[1])
    # Error bars of few entries are everywhere: four long names find no place between them.
    samples = {name: np.random.default_rng(k).uniform(0.0, 1.0, 40) for k, name in enumerate(names)}
    plots.compare_histograms({"x": samples, "y": samples}, tmp_path / "plot.png")
    assert len(done) == layouts
    before = [axes.get_position().bounds for axes in drawn[0].axes]
    drawn[0].set_layout_engine("constrained")
    original(drawn[0].get_layout_engine(), drawn[0])
    np.testing.assert_allclose(before, [axes.get_position().bounds for axes in drawn[0].axes], atol=0.005)


def test_a_legend_in_the_way_gets_room_above_the_data_or_beside_it(tmp_path, drawn):
    points = {10**k: (0.5, 0.4) for k in range(3, 9)}
    plots.plot_curves({"a method with a name": points, "another": points}, tmp_path / "few.png", "AUC")
    axes = drawn[0].axes[0]
    assert axes.get_ylim()[1] > 1.0
    assert not covers(axes, axes.get_legend().get_window_extent())
    plots.plot_curves({f"method number {i}": points for i in range(14)}, tmp_path / "many.png", "AUC")
    axes = drawn[1].axes[0]
    assert axes.get_legend().get_window_extent().x0 > axes.get_window_extent().x1
    assert drawn[1].get_size_inches()[0] > drawn[0].get_size_inches()[0]
    # Colours come again after ten: another line style tells them apart.
    lines = [container.lines[0] for container in axes.containers]
    assert lines[0].get_color() == lines[10].get_color()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 14


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: plots.plot_scores([0, 1], np.ones((2, 3)), ["a", "b"], path), "one score per event"),
        (lambda path: plots.plot_confusion([0, 1], np.ones((2, 3)), ["a", "b"], path), "2 class names"),
        (lambda path: plots.plot_scores([0, 1], [0.1, np.nan], ["a", "b"], path), "1 scores are NaN"),
        (lambda path: plots.plot_losses({"a": []}, path), r"no loss to draw in the histories of \['a'\]"),
        (lambda path: plots.plot_roc({}, path), "at least one model"),
        (lambda path: plots.plot_roc({"a": []}, path), "a: no training"),
        (lambda path: plots.plot_roc({"a": [scores(9), scores(9, 1)]}, path), "a: the trainings were not tested on"),
        (lambda path: plots.compare_histograms({}, path), "at least one column"),
        (lambda path: plots.compare_histograms({"x": {"a": [np.nan]}}, path), "a, x: no finite value"),
        (
            lambda path: plots.compare_histograms({"x": {"a": ([1.0], [1.0, 2.0])}}, path),
            "1 values with 2 weights",
        ),
    ],
)
def test_data_that_cannot_be_drawn_is_one_clear_sentence_and_no_file(call, message, tmp_path):
    with pytest.raises(PygHepError, match=message):
        call(tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())
