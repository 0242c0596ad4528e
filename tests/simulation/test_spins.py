"""Spin weights of simulated top pairs; the angles of hard processes are looked at without shower and detector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from pyg_hep.simulation import simulate
from pyg_hep.simulation.columns import Collection
from pyg_hep.simulation.generator import Generator, generator_settings
from pyg_hep.simulation.processes import PROCESSES
from pyg_hep.simulation.samples import bumblebee_samples
from pyg_hep.simulation.spins import dilepton_pairs, spin_weights
from pyg_hep.simulation.truth import generator_particles
from pyg_hep.spin import c_hel, lepton_directions

from .conftest import load

HARD_PROCESS_ONLY = [
    *(f"PartonLevel:{part} = off" for part in ("ISR", "FSR", "Remnants")), "HadronLevel:all = off", "Check:event = off",
]  # fmt: skip
SETTINGS = {sample.process: sample.settings for sample in bumblebee_samples(100)}


def mean_and_error(values: np.ndarray, weights: np.ndarray | float = 1.0) -> tuple[float, float]:
    weights = np.broadcast_to(weights, values.shape)
    mean = (weights * values).sum() / weights.sum()
    return mean, np.sqrt((weights**2 * (values - mean) ** 2).sum()) / weights.sum()


def hard_angles(process: str, events: int) -> tuple[np.ndarray, np.ndarray, float]:
    """3 c_hel and the weight of events of the preset's process, ``[events]`` each, and the cross section in pb."""
    how = PROCESSES[process]
    lines = generator_settings(how, 5, False, None, None)
    generator = Generator([*lines, *SETTINGS[process], *HARD_PROCESS_ONLY])
    values, weights = [], []
    for _ in range(events // 1000):
        made, _ = generator.batch(1000)
        assert made is not None
        truth = generator_particles(made)
        found, p4 = dilepton_pairs(truth)
        assert found.all()
        values.append(3 * c_hel(*lepton_directions(*p4)))
        weights.append(spin_weights(how.spin, truth, made.info["id1"], made.info["id2"]))
    return np.concatenate(values), np.concatenate(weights), generator.cross_section[0]


def truth_of(events: ak.Array) -> Collection:
    names = ("pt", "eta", "phi", "mass", "pdgId", "genPartIdxMother")
    fields = {name: ak.to_numpy(ak.flatten(events[f"GenPart_{name}"])) for name in names}
    return Collection(ak.to_numpy(events.nGenPart).astype(np.int64), fields)


def test_toponium_is_a_singlet_only_with_its_weights():
    values, weights, cross_section = hard_angles("toponium", 40_000)
    mean, error = mean_and_error(values, weights)
    assert error < 0.01
    assert abs(mean - 1.0) < 0.03
    assert abs(mean_and_error(values)[0]) < 0.03
    assert weights.min() >= 0
    assert weights.max() <= 2
    assert abs(weights.mean() - 1) < 0.01
    # 1.77 pb with all decays (test_processes), times the square of B(W -> e or mu) = 0.2165.
    assert cross_section == pytest.approx(1.77 * 0.2165**2, rel=0.05)


def test_ttbar_has_the_correlation_of_the_lhe_file_only_with_its_weights():
    values, weights, cross_section = hard_angles("ttbar", 60_000)
    mean, error = mean_and_error(values, weights)
    assert error < 0.008
    assert abs(mean - 0.20) < 0.02
    # Decayed by the matrix element: 0.201 +- 0.007 (tests/test_spin.py finds the same number in the file).
    assert abs(mean - 0.201) < 3 * np.hypot(error, 0.007)
    assert abs(mean_and_error(values)[0]) < 0.02
    assert weights.min() >= 0
    assert weights.max() <= 2
    assert abs(weights.mean() - 1) < 0.005
    # The file has 47.89 pb with three leptons: four ninths of it with two, at Pythia's own B(W -> e or mu) = 0.2165
    # instead of 2 x 0.10898, and 9.1 % more outside of its cut on the masses; Pythia runs alpha_s from another value.
    assert cross_section == pytest.approx(47.89 * 1.091 * (0.2165 / (3 * 0.10898)) ** 2, rel=0.2)


def test_pairs_at_threshold_are_more_correlated_than_others():
    # Gluons make a singlet at threshold (slope 1), quarks a triplet (-1/3), 87 to 13 % of the pairs.
    values, weights, _ = hard_angles("toponium_threshold", 20_000)
    mean, error = mean_and_error(values, weights)
    assert error < 0.015
    assert abs(mean - 0.62) < 0.05
    assert abs(mean_and_error(values)[0]) < 0.04


def test_showered_file_has_the_weights_of_its_stored_truth(tmp_path: Path):
    path = tmp_path / "toponium.root"
    simulate("toponium", 1500, 1, path, 1, progress=False, settings=SETTINGS["toponium"])
    events = load(path)
    found, p4 = dilepton_pairs(truth_of(events))
    assert found.all()
    hel = c_hel(*lepton_directions(*p4))
    weights = ak.to_numpy(events.spinWeight)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, 1 + hel, atol=1e-6)
    mean, error = mean_and_error(3 * hel, weights.astype(np.float64))
    assert error < 0.05
    assert abs(mean - 1) < 3 * error  # radiation leaves the angles isotropic


def test_only_pairs_with_two_leptons_have_a_weight(sample: Callable[[str, int], ak.Array]):
    events = sample("ttbar", 4000)
    found, _ = dilepton_pairs(truth_of(events))
    weights = ak.to_numpy(events.spinWeight)
    # PDG 2024: 0.326 of the W bosons decay to leptons, taus included; 4 standard deviations
    assert abs(found.mean() - 0.326**2) < 4 * 0.005
    assert (weights[~found] == 1).all()
    assert (weights[found] != 1).mean() > 0.99
    assert abs(weights.mean() - 1) < 0.01
    assert ak.all(sample("WH", 300).spinWeight == 1)


def test_hard_events_of_a_file_are_not_weighted(tmp_path: Path, lhe_text: Callable[..., str]):
    (tmp_path / "tt.lhe").write_text(lhe_text(50))
    path = simulate(
        "ttbar", 50, 1, tmp_path / "tt.root", 1, lhe=tmp_path / "tt.lhe", progress=False, settings=SETTINGS["toponium"]
    )  # fmt: skip
    events = load(path)
    assert dilepton_pairs(truth_of(events))[0].all()
    assert ak.all(events.spinWeight == 1)


def test_other_partons_have_weight_1(sample: Callable[[str, int], ak.Array]):
    truth = truth_of(sample("ttbar", 4000))
    found, _ = dilepton_pairs(truth)
    gluon = np.full(found.size, 21)
    assert (spin_weights("top_pair", truth, gluon, np.full(found.size, 2)) == 1).all()
    assert (spin_weights("top_pair", truth, gluon, gluon) != 1).any()
    assert (spin_weights("", truth, gluon, gluon) == 1).all()
