import json

import pytest
import torch

from pyg_hep.errors import ConfigError, TrainingError
from pyg_hep.generation import JetGenerator

COLUMNS = ("total_pt", "num_nodes")
WIDTH = torch.tensor([40.0**2 + 100.0**2, 3.0**2 + 10.0**2]).sqrt()
"""Standard deviations of all jets, below."""


def jets(n=4_000, seed=0):
    """Normal jets of two classes: pT 600 or 800 +- 40 GeV, and 20 or 40 particles that grow with it."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    normal = torch.randn(n, 2, generator=generator)
    pt = 600.0 + 200.0 * y + 40.0 * normal[:, 0]
    count = 20.0 + 20.0 * y + 3.0 * (0.8 * normal[:, 0] + 0.6 * normal[:, 1])
    return {"total_pt": pt, "num_nodes": count.round().clamp(min=1).long(), "y": y}


def small(**kwargs):
    torch.manual_seed(0)
    return JetGenerator(COLUMNS, **{"num_classes": 2, "hidden_channels": 32, "num_layers": 2, **kwargs})


@pytest.fixture(scope="module")
def fitted():
    generator = small()
    losses = generator.fit(jets(), steps=600, batch_size=256, learning_rate=3e-3)
    # The least loss is the mean of the standard deviations along the axes of a class, in those of all jets.
    shape = torch.tensor([[40.0**2, 0.8 * 120.0], [0.8 * 120.0, 3.0**2 + 1 / 12]]) / torch.outer(WIDTH, WIDTH)
    least = float(torch.linalg.eigvalsh(shape).sqrt().mean())
    assert sum(losses[-100:]) / 100 == pytest.approx(least, rel=0.15)
    return generator


def test_jets_of_each_class_have_its_means_widths_and_correlation(fitted):
    made = fitted.sample(torch.arange(4_000) % 2, calls=16)
    for y in (0, 1):
        mine = made["y"] == y
        pt, count = made["total_pt"][mine].double(), made["num_nodes"][mine].double()
        # A fifth of a standard deviation: what 600 steps of a small network reach, not what statistics allow (0.02).
        assert float(pt.mean()) == pytest.approx(600.0 + 200.0 * y, abs=8.0)
        assert float(count.mean()) == pytest.approx(20.0 + 20.0 * y, abs=0.6)
        assert float(pt.std()) == pytest.approx(40.0, rel=0.2)
        assert float(count.std()) == pytest.approx(3.0, rel=0.2)
        assert float(torch.corrcoef(torch.stack([pt, count]))[0, 1]) == pytest.approx(0.8, abs=0.12)
    assert made["num_nodes"].dtype == torch.int64
    assert int(made["num_nodes"].min()) >= int(jets()["num_nodes"].min()) >= 1


def test_the_seed_decides_and_the_state_dict_keeps_everything(fitted):
    y = torch.tensor([0, 1, 1, 0, 1])
    one, two, other = (fitted.sample(y, calls=4, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one["total_pt"], two["total_pt"])
    assert not torch.equal(one["total_pt"], other["total_pt"])
    torch.testing.assert_close(fitted.sample(y, calls=4, seed=3, batch_size=2)["total_pt"], one["total_pt"])
    again = JetGenerator(**json.loads(json.dumps(fitted.config())))
    again.load_state_dict(fitted.state_dict())
    assert torch.equal(again.sample(y, calls=4, seed=3)["total_pt"], one["total_pt"])
    runs = []
    for state in (1, 2):
        torch.manual_seed(0)
        generator = JetGenerator(COLUMNS, 2, 8, 1)
        torch.manual_seed(state)
        runs.append(generator.fit(jets(64), steps=3))
    assert runs[0] == runs[1]


def test_jets_are_drawn_by_their_weights_and_need_no_class():
    generator = small(num_classes=0)
    table = jets(400)
    generator.fit({**table, "weight": 1.0 - table["y"]}, steps=300, batch_size=256, learning_rate=3e-3)
    made = generator.sample(200, calls=8)
    assert set(made) == set(COLUMNS)
    assert float(made["total_pt"].mean()) == pytest.approx(600.0, abs=20.0)


def test_what_cannot_be(fitted):
    for arguments, message in (
        ({"columns": ["a", "a"]}, "different columns"),
        ({"columns": []}, "different columns"),
        ({"num_layers": 0}, "num_layers=0"),
    ):
        with pytest.raises(ConfigError, match=message):
            JetGenerator(**arguments)
    table = jets(8)
    for changes, message in (
        ({"num_nodes": torch.full((8,), 3)}, "'num_nodes' is the same in all jets"),
        ({"total_pt": torch.full((8,), float("nan"))}, "'total_pt' is not finite"),
        ({"y": torch.full((8,), 2)}, "classes from 0 to 1"),
        ({"weight": -torch.ones(8)}, "must not be negative"),
    ):
        with pytest.raises(ConfigError, match=message):
            small().fit({**table, **changes}, steps=1)
    with pytest.raises(ConfigError, match="no column 'num_nodes'"):
        small().fit({"total_pt": torch.ones(3), "y": torch.zeros(3).long()})
    with pytest.raises(ConfigError, match="fit it first"):
        small().sample(torch.zeros(2).long())
    with pytest.raises(ConfigError, match="2 classes: say which"):
        small()(torch.zeros(1, 2), torch.zeros(1))
    broken = small()
    with torch.no_grad():
        broken.last.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not finite at step 1"):
        broken.fit(table, steps=2)
