import pytest
import torch
from torch import nn

from pyg_hep.errors import ConfigError
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.training.parts import parts, reset, stages


def test_stages_of_the_library_are_its_layers_in_order_of_depth():
    names = list(stages(EventTransformer.kishimoto(hidden_channels=8, num_layers=3, heads=2, feed_forward=8)))
    assert [name for name in names if name.startswith("layers.")] == ["layers.0", "layers.1", "layers.2"]
    assert list(stages(GraphNetwork.ho(hidden_channels=8)))[-1] == "decoder"


def test_a_name_or_a_pattern_chooses_modules_once():
    backbone = EventTransformer.kishimoto(hidden_channels=8, num_layers=3, heads=2, feed_forward=8)
    assert parts(backbone, ["layers.[01]"], "freeze") == [backbone.layers[0], backbone.layers[1]]
    everything = parts(backbone, ["layers.*", "layers.1"], "freeze")
    assert everything == list(backbone.layers)
    assert parts(backbone, ["backbone", "layers.1"], "freeze") == [backbone]


def test_what_starts_anew_is_what_was_named():
    backbone = EventTransformer.kishimoto(hidden_channels=8, num_layers=3, heads=2, feed_forward=8)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    torch.manual_seed(1)
    reset(backbone, ["layers.[12]"])
    changed = {k for k, v in backbone.state_dict().items() if not torch.equal(v, before[k])}
    assert {name.rsplit(".", 100)[1] for name in changed} == {"1", "2"}
    assert all(name.startswith("layers.") for name in changed)


def test_a_module_that_cannot_start_anew_is_one_sentence():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(torch.ones(1))

    with pytest.raises(ConfigError, match=r"a Fixed has no reset_parameters\(\) to start anew"):
        reset(nn.Sequential(nn.Linear(1, 1), Fixed()), ["1"])
