import numpy as np
import pytest
from matplotlib import image

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.event_display import plot_event


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
