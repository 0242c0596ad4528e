import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs.columns import KIND_COLUMNS
from pyg_hep.inputs.presets import PRESETS
from pyg_hep.schema import Level
from pyg_hep.testing.events import random_events
from pyg_hep.transforms import MaskObjects

COLUMNS = PRESETS["abasov"].columns
KINDS = [name for name in COLUMNS if name in KIND_COLUMNS]


def test_every_variable_is_hidden_by_itself_and_the_kind_as_one():
    batch = random_events((5,) * 2_000)
    hidden = MaskObjects(COLUMNS, together=KINDS).hidden(batch, torch.Generator().manual_seed(0))
    assert list(hidden) == [name for name in COLUMNS if name not in KINDS] + KINDS
    assert all(torch.equal(hidden[name], hidden[KINDS[0]]) for name in KINDS)
    alone = [name for name in COLUMNS if name not in KINDS]
    variables = torch.stack([hidden[name] for name in [*alone, KINDS[0]]], dim=1).double()
    torch.testing.assert_close(variables.mean(0), torch.full((8,), 0.3).double(), atol=5 * 0.0046, rtol=0)
    together = (variables.T @ variables) / 10_000
    apart = together[~torch.eye(8, dtype=torch.bool)]
    torch.testing.assert_close(apart, torch.full_like(apart, 0.09), atol=5 * 0.0029, rtol=0)


def test_whole_objects():
    hidden = MaskObjects(COLUMNS, whole=True).hidden(random_events((5,) * 400), torch.Generator().manual_seed(0))
    flags = torch.stack(list(hidden.values()))
    assert torch.equal(flags.any(dim=0), flags.all(dim=0))
    assert 0.25 < float(flags[0].double().mean()) < 0.35


def test_the_generator_decides():
    batch, mask = random_events((5,) * 20), MaskObjects(COLUMNS)
    one, two, other = (mask.hidden(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    as_transform = mask(batch, torch.Generator().manual_seed(1))
    assert all(torch.equal(as_transform.hidden[name], flags) for name, flags in one.items())
    assert "hidden" not in batch


def test_generated_objects_are_targets_of_which_kind_and_charge_are_known():
    batch = random_events((6, 4))
    batch.level[::2] = int(Level.GEN)
    columns = PRESETS["abasov_truth"].columns
    truth = [name for name in columns if name != "charge" and name not in KIND_COLUMNS]
    hidden = MaskObjects(columns, probability=0.0, generated=truth).hidden(batch)
    for name in columns:
        assert hidden[name].tolist() == [name in truth and i % 2 == 0 for i in range(10)], name


def test_only_what_may_be_hidden_is():
    hidden = MaskObjects(COLUMNS, probability=1.0, hide=["pt"]).hidden(random_events((3,)))
    assert {name for name, flags in hidden.items() if flags.any()} == {"pt"}


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="probability must lie in"):
        MaskObjects(COLUMNS, probability=2.0)
    with pytest.raises(ConfigError, match="cannot hide 'ptt': did you mean 'pt'"):
        MaskObjects(COLUMNS, hide=["ptt"])
    with pytest.raises(ConfigError, match="cannot hide 'mass'"):
        MaskObjects(COLUMNS, generated=["mass"])


def test_config_makes_it_again_and_repr():
    mask = MaskObjects(COLUMNS, 0.2, whole=True, hide=["pt"], together=KINDS)
    assert MaskObjects(**mask.config()).config() == mask.config()
    assert repr(mask) == "MaskObjects(13 columns, probability=0.2, whole=True)"
