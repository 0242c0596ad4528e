"""Plots show the numbers they are given, write a PNG, and leave everything else alone."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import plots
from pyg_hep.metrics import background_rejection, roc_auc


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures written to files, for a look at what is in them."""
    figures: list[Figure] = []
    original = Figure.savefig

    def record(self, *args, **kwargs):
        figures.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", record)
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

    monkeypatch.setattr(Figure, "savefig", interrupt)
    with pytest.raises(KeyboardInterrupt):
        plots.plot_losses({"a": HISTORY}, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_roc_curve_shows_the_rejection_and_the_auc(tmp_path, drawn):
    y, score, w = scores()
    plots.plot_roc({"model": (y, score, w)}, tmp_path / "roc.png", replicas=10)
    x, rejection = drawn[0].axes[0].get_lines()[0].get_data()
    at_half = int(np.abs(x - 0.5).argmin())
    # Linear interpolation in both; the running maximum of negative weights shifts the curve by a few events.
    assert rejection[at_half] == pytest.approx(background_rejection(y, score, x[at_half], w), rel=0.02)
    assert f"{roc_auc(y, score, w):.4f}" in labels_of(drawn[0])[0]


def test_score_distributions_are_normalised_to_one(tmp_path, drawn):
    y, score, w = scores()
    plots.plot_scores(y, score, ["background", "signal"], tmp_path / "scores.png", w)
    assert labels_of(drawn[0]) == ["background", "signal"]
    for patch in drawn[0].axes[0].patches:
        assert patch.get_data().values.sum() == pytest.approx(1.0)


def test_loss_curves_start_at_epoch_one_and_mark_the_best(tmp_path, drawn):
    plots.plot_losses({"run": HISTORY}, tmp_path / "loss.png")
    training, validation, best = drawn[0].axes[0].get_lines()
    assert training.get_xdata()[0] == 1
    np.testing.assert_allclose(validation.get_ydata(), [e["val_loss"] for e in HISTORY])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (4, 0.5)


def test_gains_are_shown_in_percentage_points(tmp_path, drawn):
    plots.plot_gains({"WH_ZH": (0.012, 0.004)}, tmp_path / "gain.png")
    assert [t.get_text() for t in drawn[0].axes[0].texts] == ["+1.20 $\\pm$ 0.40"]


def test_confusion_rows_are_fractions_of_the_true_class(tmp_path, drawn):
    probability = np.eye(3)[[0, 0, 1, 2, 2]]
    plots.plot_confusion([0, 0, 0, 1, 2], probability, ["a", "b", "c"], tmp_path / "c.png", [1, 1, 2, 1, 1])
    image = drawn[0].axes[0].images[0].get_array()
    np.testing.assert_allclose(image, [[0.5, 0.5, 0], [0, 0, 1], [0, 0, 1]])


def test_compared_samples_keep_their_fractions_and_ratio(tmp_path, drawn):
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, 5000), rng.integers(0, 4, 3000)
    plots.compare_histograms(
        {"number of jets": {"CMS": first, "simulation": (second, np.full(3000, 2.0))}}, tmp_path / "c.png"
    )
    upper, lower = drawn[0].axes
    histograms = [p.get_data().values for p in upper.patches]
    # One bin for each whole number of the first sample; what lies outside still counts in the sum.
    np.testing.assert_allclose(histograms[0], np.bincount(first) / 5000)
    np.testing.assert_allclose(histograms[1], np.bincount(second)[:3] / 3000)
    points = lower.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(points, histograms[1] / histograms[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: plots.plot_scores([0, 1], np.ones((2, 3)), ["a", "b"], path), "one score per event"),
        (lambda path: plots.plot_confusion([0, 1], np.ones((2, 3)), ["a", "b"], path), "2 class names"),
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
