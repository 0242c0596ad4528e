from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.objectives import Classification, ReplacedObject
from pyg_hep.studies import FineTuned, LinearProbe, Mean, Size, StackedTrees, Trees, cross_validate, methods
from pyg_hep.studies.execution import execute
from pyg_hep.studies.plan import plan
from pyg_hep.studies.ways import folds, ways_of
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, pretrain, represent

SETTINGS = TrainingSettings(epochs=2, batch_size=64, progress=False, checkpoints=False, tensorboard=False)


@pytest.fixture(scope="module")
def pretrained(task, tmp_path_factory) -> Path:
    """A network that was trained for a little while to tell the two classes apart."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("pretrained")
    model = EventModel(GraphNetwork.ho(), Classification(2), optimisation=Optimisation(learning_rate=3e-4))
    pretrain(model, task.train, task.val, output=folder, settings=replace(SETTINGS, epochs=6, batch_size=32))
    return folder / "model"


def test_the_probe_is_the_logistic_regression_of_the_representation(task, pretrained, tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    drawn = task.draw(60, 1)
    fitted = LinearProbe(pretrained, strengths=(0.1,)).fit(drawn, 1, tmp_path)
    model = EventModel.from_pretrained(pretrained)
    x, tested = (represent(model, events)[1].astype(float) for events in (drawn.train, drawn.test))
    scaler = StandardScaler().fit(x)
    own = LogisticRegression(C=0.1, max_iter=2000).fit(scaler.transform(x), drawn.train.y.numpy())
    np.testing.assert_allclose(
        fitted.predictions.probability, own.predict_proba(scaler.transform(tested)), rtol=1e-6, atol=1e-9
    )
    assert fitted.tuned == {"strength": 0.1}


def test_the_probe_chooses_the_strength_that_generalises(task, pretrained, tmp_path):
    # So strong a penalty leaves nothing of the difference between the classes.
    (run,) = plan([task], [LinearProbe(pretrained, strengths=(1e-9, 0.1))], [Size(60)], tmp_path)
    record = execute(run)
    assert record["tuned"] == {"strength": 0.1}
    assert record["auc"] > 0.7


def test_stacked_trees_see_variables_components_and_log_probabilities(task, pretrained, tmp_path, monkeypatch):
    seen = []

    def spy(x, *arguments, **options):
        seen.append(np.asarray(x))
        return fit(x, *arguments, **options)

    fit = methods.boosted_trees
    monkeypatch.setattr(methods, "boosted_trees", spy)
    drawn = task.draw(60, 1)
    for components in (4, 0):
        fitted = StackedTrees(pretrained=pretrained, components=components).fit(drawn, 1, tmp_path)
        assert fitted.predictions.probability.shape == (len(task.test), 2)
    plain = methods.table_of(Trees().variables, drawn.train)
    width = plain.shape[1]
    assert [x.shape[1] for x in seen] == [width + 4 + 2, width + 2]
    np.testing.assert_array_equal(seen[0][:, :width], plain)
    np.testing.assert_allclose(np.exp(seen[0][:, -2:]).sum(axis=1), 1.0, rtol=1e-5)
    # Components are uncorrelated, and the first carries most.
    components = seen[0][:, width : width + 4]
    covariance = np.cov(components.T)
    assert abs(covariance - np.diag(np.diag(covariance))).max() < 1e-6 * covariance[0, 0]
    assert (np.diff(np.diag(covariance)) <= 0).all()


def test_the_network_says_something_to_the_trees_that_variables_do_not(task, pretrained, tmp_path):
    # Of one useless variable the trees know nothing; all they find is what the network says.
    class Constant:
        def __call__(self, batch):
            return np.zeros((batch.num_graphs, 1))

        def config(self):
            return {}

    plain, stacked = (
        execute(plan([task], [way], [Size(60)], tmp_path)[0])["auc"]
        for way in (Trees(Constant()), StackedTrees(Constant(), pretrained=pretrained))
    )
    assert plain == pytest.approx(0.5)
    assert stacked > 0.7


def test_a_network_that_tells_no_classes_apart_is_stacked_by_its_components(task, tmp_path):
    model = EventModel(EventTransformer.kishimoto(hidden_channels=16, num_layers=1, heads=2), ReplacedObject())
    pretrain(model, task.train, task.val, output=tmp_path, settings=replace(SETTINGS, epochs=1))
    method, drawn = StackedTrees(pretrained=tmp_path / "model", components=3), task.draw(60, 1)
    train, test = method.tables(drawn, 1)
    assert train.shape[1] == test.shape[1] == methods.table_of(Trees().variables, drawn.train).shape[1] + 3
    with pytest.raises(ConfigError, match="pretrained for ReplacedObject has components alone"):
        replace(method, components=0).tables(drawn, 1)


def test_every_way_to_use_a_network_has_its_name_and_the_rivals_theirs():
    tuned = FineTuned("ho-multiclass", name="pretrained", variant="20", columns={"unlabelled": 3})
    every = ways_of(tuned, Trees(), 2, baseline="scratch", prefix="20-")
    assert [way.label for way in every] == [
        *(f"pretrained/20-{way}" for way in ("probe", "stacked", "mean", "all")), "trees/mean",
    ]  # fmt: skip
    assert {way.baseline for way in every} == {"scratch"}
    assert all(way.columns == {"unlabelled": 3} for way in every[:-1])
    assert [len(way.methods) * way.trainings for way in every[2:]] == [2, 3, 2]


def test_the_mean_is_that_of_its_methods_and_of_trainings_with_other_seeds(task, model, pretrained, tmp_path):
    tuned = FineTuned(pretrained, settings=SETTINGS, optimisation=Optimisation(learning_rate=1e-3))
    probe, drawn = LinearProbe(pretrained), task.draw(60, 3)
    both = Mean((tuned, probe)).fit(drawn, 3, tmp_path / "both").predictions.probability
    alone = [way.fit(drawn, 3, tmp_path / way.name).predictions.probability for way in (tuned, probe)]
    np.testing.assert_allclose(both, np.mean(alone, axis=0), rtol=1e-6)
    twice = Mean((tuned,), trainings=2).fit(drawn, 3, tmp_path / "twice").predictions.probability
    other = 2 * twice - alone[0]
    assert np.abs(other - alone[0]).max() > 1e-4
    np.testing.assert_allclose(Mean((tuned,)).fit(drawn, 3, tmp_path / "one").predictions.probability, alone[0])


def test_weights_arguments_and_sizes_of_the_parts_are_part_of_the_mean(task, pretrained, tmp_path):
    tuned = FineTuned(pretrained, settings=SETTINGS)
    ways = [
        Mean((tuned,)), Mean((tuned,), trainings=2), Mean((tuned, Trees())), Mean((Trees(),)), LinearProbe(pretrained),
        LinearProbe(pretrained, strengths=(0.1,)), StackedTrees(pretrained=pretrained),
        StackedTrees(pretrained=pretrained, components=1),
    ]  # fmt: skip
    assert len({plan([task], [way], [Size(60)], tmp_path)[0].key for way in ways}) == len(ways)
    assert Mean((Trees(),)).weights() is None
    assert Mean((tuned,)).weights() != Mean((tuned, tuned)).weights()
    assert Mean((tuned,)).at(Size(60, epochs=7)).methods[0].settings.epochs == 7
    assert any(part is tuned for part in Mean((tuned,)).parts())


def test_folds_divide_the_training_events_and_leave_the_test_events_alone(task):
    drawn = task.draw(31, 1)
    parts = folds(drawn, 3)
    every = drawn.train.p4
    assert len(parts) == 3
    assert sum(len(part.test) for part in parts) == len(drawn.train) == 62
    for part in parts:
        assert len(part.train) + len(part.test) == 62
        assert torch.bincount(part.test.y).min() >= 10
    together = torch.cat([part.test.p4 for part in parts])
    torch.testing.assert_close(together.sort(dim=0).values, every.sort(dim=0).values)


def test_cross_validation_orders_methods_by_what_they_do_on_training_events(task, pretrained, tmp_path):
    useless = LinearProbe(pretrained, strengths=(1e-12,), variant="useless")
    ways = [useless, LinearProbe(pretrained)]
    areas = cross_validate(task, ways, Size(60, seeds=(2, 3)), output=tmp_path)
    assert set(areas) == {"probe", "probe/useless"}
    mean, error = areas["probe"]
    assert 0.6 < mean <= 1.0
    assert 0.0 <= error < 0.2
    assert list(areas) == sorted(areas, key=lambda name: -areas[name][0])
    # Other test events change nothing: they are not read.
    assert cross_validate(replace(task, test=task.val), ways, Size(60, seeds=(2,)), output=tmp_path / "b") == areas


def test_what_cannot_be_done_is_refused(task, pretrained, tmp_path):
    few = task.draw(3, 1)
    with pytest.raises(ConfigError, match="folds"):
        LinearProbe(pretrained).fit(few, 1, tmp_path)
    for number in (1, 4):
        with pytest.raises(ConfigError, match="folds"):
            folds(few, number)
    with pytest.raises(ConfigError, match="at least one training"):
        Mean(())
    with pytest.raises(ConfigError, match="at least one training"):
        Mean((Trees(),), trainings=0)
