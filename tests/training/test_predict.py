import warnings

import numpy as np
import pytest
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification, MaskedObjects, MultiLabel, ReplacedObject
from pyg_hep.readers import load_card
from pyg_hep.testing.events import random_events
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, predict, pretrain

SETTINGS = TrainingSettings(
    epochs=5, batch_size=32, accelerator="cpu", progress=False, checkpoints=False, tensorboard=False
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two processes that differ in missing momentum."""
    folder = tmp_path_factory.mktemp("files")
    made = {}
    for i, (name, factor) in enumerate((("low", 1.0), ("high", 20.0))):
        branches = random_nanoaod(600, seed=i)
        branches["MET_pt"] = branches["MET_pt"] * factor
        made[name] = write_nanoaod(folder / f"{name}.root", branches)
    return folder, made


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    folder, made = files
    train, val = (EventDataset(folder, "simulated_events", made, split=s) for s in ("train", "val"))
    torch.manual_seed(0)
    model = EventModel(GraphNetwork.ho(), Classification(2))
    model.optimisation = Optimisation(learning_rate=3e-4)
    return pretrain(model, train, val, output=tmp_path_factory.mktemp("out"), settings=SETTINGS).model


def test_columns_have_the_names_of_the_classes(files, trained):
    test = EventDataset(files[0], "simulated_events", files[1], split="test")
    tested = predict(trained, test, batch_size=50)
    assert list(tested.columns) == tested.class_names == ["low", "high"]
    assert tested.probability.shape == (len(test), 2)
    assert tested.probability.sum(axis=1) == pytest.approx(1.0)
    assert (tested.y == test.column("y").numpy()).all()
    assert len(tested.weight) == len(test)


def test_classes_in_another_order_are_matched_by_name(files, trained):
    folder, made = files
    straight = predict(trained, EventDataset(folder, "simulated_events", made, split="test"))
    turned = predict(trained, EventDataset(folder, "simulated_events", dict(reversed(made.items())), split="test"))

    def right(tested):
        return float((tested.probability.argmax(axis=1) == tested.y).mean())

    # About 180 events: guessing gives 0.5 +- 0.04; upside down it was 1 minus this.
    assert right(straight) > 0.7
    assert right(turned) == pytest.approx(right(straight))
    assert turned.class_names == ["low", "high"]


def test_a_class_that_the_model_does_not_know_is_an_error(files, trained):
    folder, made = files
    other = EventDataset(folder, "simulated_events", {"low": made["low"], "higher": made["high"]})
    with pytest.raises(ConfigError, match="of the class 'higher', which the model does not know: did you mean 'high'"):
        predict(trained, other)
    assert set(predict(trained, other, labels=False).y.tolist()) == {-1}
    alone = predict(trained, EventDataset(folder, "simulated_events", {"high": made["high"]}))
    assert set(alone.y.tolist()) == {1}


def test_another_card_is_said_and_the_same_is_not(files, trained, tmp_path):
    folder, made = files
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict(trained, EventDataset(folder, "simulated_events", made, split="test"))
    content = load_card("simulated_events").as_dict()
    content["selection"] = ["n_objects >= 3"]
    with pytest.warns(UserWarning, match="have other selection than those that the model was trained on"):
        predict(trained, EventDataset(tmp_path, load_card(content), made))


def test_events_made_in_python_can_be_trained_on_and_predicted(tmp_path):
    """They have no card with objects to be stored with the model, or to be compared."""
    events = random_events((4,) * 40, seed=1)
    nodes = {name: events[name] for name in ("p4", "kind", "charge", "btag", "level")}
    dataset = EventDataset.from_columns(nodes, [4] * 40, {"y": torch.arange(40) % 2}, ["no", "yes"])
    torch.manual_seed(0)
    model = EventModel(GraphNetwork.ho(), Classification(2))
    settings = TrainingSettings(epochs=1, batch_size=20, progress=False, checkpoints=False, tensorboard=False)
    pretrain(model, dataset, dataset, output=tmp_path, settings=settings)
    again = EventModel.from_pretrained(tmp_path / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tested = predict(again, dataset)
    assert tested.class_names == ["no", "yes"]
    np.testing.assert_array_equal(tested.probability, predict(model, dataset).probability)


def test_every_module_has_its_mode_again(files, trained):
    test = EventDataset(files[0], "simulated_events", files[1], split="test")
    trained.train()
    trained.backbone.eval()
    before = [module.training for module in trained.modules()]
    predict(trained, test)
    assert [module.training for module in trained.modules()] == before
    trained.eval()


def test_labels_are_probabilities_each_and_numbers_stay_numbers(files):
    folder, made = files
    data = EventDataset(folder, "simulated_events", made, split="test")
    torch.manual_seed(0)
    model = EventModel(GraphNetwork.ho(), MultiLabel(3, regression=[0]))
    # The labels of these events are classes: only the outputs are looked at.
    tested = predict(model, data)
    values = np.stack(list(tested.columns.values()), axis=1)
    assert values.shape == (len(data), 3)
    assert not np.allclose(values.sum(axis=1), 1.0)  # a softmax over labels had this sum
    assert ((values[:, 1:] > 0) & (values[:, 1:] < 1)).all()
    with pytest.raises(ConfigError, match="this model tells no classes apart: its predictions are the columns"):
        _ = tested.probability


def test_a_self_supervised_model_predicts_nothing(files):
    folder, made = files
    data = EventDataset(folder, "simulated_events", made, split="test")
    for objective in (ReplacedObject(), MaskedObjects()):
        with pytest.raises(ConfigError, match=f"{type(objective).__name__} predicts nothing"):
            predict(EventModel(GraphNetwork.ho(), objective), data)
