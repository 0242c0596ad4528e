import importlib.util
from pathlib import Path

import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.readers import load_card
from pyg_hep.training import EventModel

SCRIPT = Path(__file__).parents[2] / "examples" / "predict.py"


def script():
    spec = importlib.util.spec_from_file_location("predict_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model(metadata):
    return EventModel(GraphNetwork.ho(hidden_channels=8), Classification(2), metadata=metadata)


def test_the_card_is_the_one_that_travels_with_the_model():
    content = load_card("ho_multilabel").as_dict()
    content["selection"] = ["n_objects >= 5"]
    own = script().own_card(model({"card": "cms_nanoaod", "data": {"card": content}}), "here")
    assert load_card(own).selection == load_card(content).selection
    assert load_card(own).label is None  # data have no generated particles


def test_a_model_without_a_card_gets_no_other():
    with pytest.raises(ConfigError, match="here does not say which card its events .*: give it with --card"):
        script().own_card(model({}), "here")
