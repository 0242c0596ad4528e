import numpy as np
import pytest
from matplotlib import image
from matplotlib.axes import Axes

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.event_display import draw_event, plot_event
from pyg_hep.readers import load_card


@pytest.fixture
def titles(monkeypatch) -> list[str]:
    """Titles of the axes that are drawn."""
    texts: list[str] = []
    original = Axes.set_title

    def record(self, label, *args, **kwargs):
        texts.append(label)
        return original(self, label, *args, **kwargs)

    monkeypatch.setattr(Axes, "set_title", record)
    return texts


def test_display_draws_every_object_and_the_missing_momentum(tmp_path):
    columns = {"pt": [80.0, 40, 60, 30], "eta": [0.5, -1, 0, 2], "phi": [0.1, 2, -2, 3], "kind": [0, 1, 5, 8]}
    plot_event(**columns, path=tmp_path / "a.png", btag=[1, 0, 0, 0], level=[0, 0, 0, 1], title="event 1")
    fewer = {name: values[:2] for name, values in columns.items()}
    plot_event(**fewer, path=tmp_path / "b.png")
    first, second = (image.imread(tmp_path / name) for name in ("a.png", "b.png"))
    assert first.shape == second.shape
    # The plots differ by a dashed line, a diamond and a ring: some percent of all pixels.
    assert 0.002 < np.mean(np.any(first != second, axis=-1)) < 0.2


def test_event_without_objects_is_one_sentence(tmp_path):
    with pytest.raises(PygHepError, match="without objects"):
        plot_event([], [], [], [], tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_display_names_the_process(tmp_path, titles):
    plot_event([50.0], [0.0], [1.0], [0], tmp_path / "a.png", process="ttbar", title="event 7")
    plot_event([50.0], [0.0], [1.0], [0], tmp_path / "a.png", process="ttbar")
    plot_event([0.0], [0.0], [1.0], [0], tmp_path / "a.png", title="event 7")
    assert titles == ["ttbar, event 7", "ttbar", "event 7"]


def test_event_of_a_data_set_is_drawn_under_the_name_of_its_process(tmp_path, nanoaod, other_nanoaod, titles):
    dataset = EventDataset(tmp_path / "cache", "cms_nanoaod", {"ttbar": nanoaod, "WH": other_nanoaod})
    for name in ("ttbar", "WH"):
        row = int((dataset.y == dataset.class_names.index(name)).nonzero()[3, 0])
        draw_event(dataset, row, tmp_path / f"{name}.png")
        assert titles[-1] == f"{name}, event {int(dataset[row].event_number)}"
        assert (tmp_path / f"{name}.png").is_file()
    with pytest.raises(PygHepError, match=f"no event {len(dataset)} among the {len(dataset)}"):
        draw_event(dataset, len(dataset), tmp_path / "a.png")


def test_event_of_a_card_with_several_labels_is_drawn_under_those_it_has(tmp_path, nanoaod_with_truth, titles):
    dataset = EventDataset(tmp_path / "cache", load_card("ho_multilabel"), nanoaod_with_truth)
    labels = dataset.y.numpy()
    row = int(np.argmax((labels != 0).sum(axis=1)))
    draw_event(dataset, row, tmp_path / "a.png")
    for name, value in zip(dataset.class_names, labels[row], strict=True):
        if value:
            assert (name if value == 1 else f"{name} = {value:.4g}") in titles[0]
    assert titles[0].count(",") == np.count_nonzero(labels[row])
