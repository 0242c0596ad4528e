import pytest
from torch import nn

from pyg_hep.nn.modes import evaluating


def test_every_module_has_its_own_mode_again():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout())).train()
    model[1].eval()
    with pytest.raises(ValueError, match="stop"), evaluating(model):
        assert not any(module.training for module in model.modules())
        raise ValueError("stop")
    assert [module.training for module in model.modules()] == [True, True, False, False]
