import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.nn import PointEdgeTransformer
from pyg_hep.objectives import EventInputs
from pyg_hep.testing import ObjectiveTests
from pyg_hep.testing.jets import random_jets
from pyg_hep.training import EventModel


class TestContract(ObjectiveTests):
    @classmethod
    def build(cls):
        return EventInputs(augment={"rotate": True})

    @classmethod
    def view(cls):
        return View.abasov(events=("total_pt", "num_nodes"))


def test_loss_and_predictions_by_hand():
    torch.manual_seed(0)
    sizes = {"hidden_channels": 8, "num_layers": 1, "heads": 2}
    model = EventModel(PointEdgeTransformer.omnilearn(**sizes), EventInputs()).eval()
    batch = next(iter(EventLoader(random_jets(counts=(4, 1, 7)), 3)))
    batch.weight = torch.tensor([1.0, 2.0, -0.5])
    head = model.objective.heads["columns"].linear
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([1.0, 0.0, -1.0, 2.0]))
        loss = model.objective.step(batch, model, None, False).losses["squared_error"]
        said = model.predict(batch)
    square = ((model.view(batch).u - head.bias.detach()) ** 2).mean(dim=1)
    expected = float((batch.weight * square).sum()), 3.5
    assert [float(part) for part in loss] == pytest.approx(expected, rel=1e-5)
    # One standard deviation above the mean, the mean, one below and two above, of the published constants.
    expected = {"total_pt": 724.94, "total_eta": 0.0, "total_mass": 80.453, "num_nodes": 69.605}
    for name, value in expected.items():
        torch.testing.assert_close(said[name], torch.full((3,), value), rtol=1e-5, atol=1e-5)


def test_a_view_without_columns_of_the_event_is_refused():
    with pytest.raises(ConfigError, match="of which the view has none"):
        EventInputs().bind(PointEdgeTransformer(13), View.abasov())
