from dataclasses import dataclass, replace

import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.studies import FineTuned, Fitted, FromScratch, Size, Tunable, Tuned
from pyg_hep.studies.execution import execute
from pyg_hep.studies.plan import plan
from pyg_hep.training import Optimisation, TrainingSettings

SETTINGS = TrainingSettings(epochs=4, batch_size=64, progress=False, checkpoints=False, tensorboard=False)


def test_the_setting_with_the_lowest_validation_loss_is_trained_in_full(task, model, tmp_path):
    # A rate a million times smaller learns nothing in an epoch, so that it cannot be the best of both.
    method = FromScratch(model, settings=SETTINGS, optimisation=Optimisation(learning_rate=3e-3), variant="small")
    tuned = Tuned.of(method, ({"rate": 1e-6}, {"weight_decay": 1e-3}))
    assert (tuned.name, tuned.variant, tuned.baseline) == (method.name, "small", method.baseline)
    (run,) = plan([task], [tuned], [Size(100)], tmp_path)
    record = execute(run)
    assert record["tuned"]["trial"] == {"weight_decay": 1e-3}
    low, best = record["tuned"]["val_losses"]
    assert best < low
    assert record["tuned"]["seconds"] > 0
    assert record["epochs"] == 4
    # The same as that setting without a choice.
    alone = plan([task], [method.trial(tuned.trials[1])], [Size(100)], tmp_path / "alone")
    assert execute(alone[0])["val_loss"] == record["val_loss"]


def test_trials_are_relative_to_the_method_at_its_size(model):
    method = FromScratch(model, settings=SETTINGS, optimisation=Optimisation(backbone_learning_rate=1e-5))
    made = Tuned.of(method, ({"batch": 0.5, "rate": 2.0},)).at(Size(10, epochs=8, batch=32, rate=1e-2))
    trial = made.method.trial(made.trials[0])
    assert trial.settings == replace(SETTINGS, epochs=8, batch_size=16)
    assert trial.optimisation.learning_rate == pytest.approx(2e-2)
    assert trial.optimisation.backbone_learning_rate == pytest.approx(2e-5)
    assert trial.changes is None
    assert method.trial({"dropout": 0.2}).changes == {"dropout": 0.2}


def test_trials_and_weights_are_part_of_the_key(task, model, tmp_path):
    folder = model.save_pretrained(tmp_path / "model")
    method = FineTuned(folder, settings=SETTINGS)
    keys = {
        plan([task], [way], [Size(100)], tmp_path)[0].key
        for way in (method, Tuned.of(method, ({},)), Tuned.of(method, ({}, {"batch": 2.0})))
    }
    assert len(keys) == 3
    assert Tuned.of(method, ({},)).weights() == method.weights()
    parts = Tuned.of(method, ({},)).parts()
    assert all(any(part is one for one in parts) for part in method.parts())


@dataclass
class _Result:
    history: list
    seconds: float


@dataclass(frozen=True)
class _Guess(Tunable):
    """A training without a network, whose loss is its distance from a rate of 3; longer ones are no better."""

    rate: float = 1.0
    epochs: int = 10

    def trial(self, settings):
        return replace(self, rate=self.rate * settings.get("rate", 1.0))

    def shortened(self, share):
        return replace(self, epochs=round(share * self.epochs))

    def learn(self, task, seed, output):
        return _Result([{"val_loss": abs(self.rate - 3), "seconds": 1.0}] * self.epochs, float(self.epochs))

    def fit(self, task, seed, output):
        probability = np.full((len(task.test), 2), 0.5)
        return replace(Fitted.of_probability(probability, task.test), **vars(self.learn(task, seed, output)))


def test_a_training_of_ones_own_can_be_tuned(task, tmp_path):
    tuned = Tuned.of(_Guess(name="guess"), ({"rate": 1.0}, {"rate": 2.9}, {"rate": 9.0}), share=0.2)
    fitted = tuned.fit(task, 1, tmp_path)
    assert fitted.tuned["trial"] == {"rate": 2.9}
    assert fitted.tuned["val_losses"] == pytest.approx([2.0, 0.1, 6.0])
    assert fitted.tuned["seconds"] == 3 * 2.0  # two of ten epochs each
    assert len(fitted.history) == 10


@pytest.mark.parametrize(
    ("trials", "share", "message"),
    [((), 0.25, "no trials"), (({"rates": 2.0},), 0.25, "'rates'.*rate"), (({},), 0.0, "share")],
    ids=["none", "setting", "share"],
)
def test_what_cannot_be_tuned_is_refused(model, trials, share, message):
    with pytest.raises(ConfigError, match=message):
        Tuned.of(FromScratch(model, settings=SETTINGS), trials, share)
