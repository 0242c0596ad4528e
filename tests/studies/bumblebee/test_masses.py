import numpy as np
import pytest
import torch

from pyg_hep.analysis.tops import generated_tops
from pyg_hep.errors import PygHepError
from pyg_hep.loader import EventLoader
from pyg_hep.studies.bumblebee.masses import FIGURES, Masses, true_mass
from pyg_hep.studies.statistics import measure
from pyg_hep.testing.dilepton import dilepton_events


def masses(slope, sigma, events=4_000):
    rng = np.random.default_rng(0)
    truth = rng.uniform(300, 1000, events)
    estimate = 500 + slope * (truth - 500) + sigma * rng.normal(size=events)
    return Masses(truth, estimate, np.ones(events), np.zeros(events), np.full(events, np.nan))


def test_shrinking_does_not_improve_the_corrected_width():
    """Shrunk by 0.7, noise included, an estimate has the same information: less width, no less corrected width."""
    full, shrunk = (measure(masses(s, 80 * s), FIGURES) for s in (1.0, 0.7))
    assert full["corrected_width"] == pytest.approx(160, rel=0.05)
    assert shrunk["width"] < 0.8 * full["width"]
    assert 1.0 <= shrunk["corrected_width"] / full["corrected_width"] < 1.12  # bins are not infinitely narrow
    assert shrunk["slope"] == pytest.approx(0.7, abs=0.02)
    assert full["fallback"] == 0
    # The error of P84 - P16 of n normal residuals is 2.6 sigma / sqrt(n), here of 4,000 in all bins.
    assert np.std(full["replicas"]["corrected_width"]) == pytest.approx(2.6 * 80 / 3_880**0.5, rel=0.5)


def test_figures_of_a_resampling_are_those_of_its_weights():
    tested = masses(0.8, 30, 2_000)
    counts = np.random.default_rng(1).poisson(1.0, 2_000)
    repeated = Masses(
        *(np.repeat(column, counts) for column in (tested.y, tested.estimate, tested.weight)),
        np.zeros(counts.sum()),
        np.full(counts.sum(), np.nan),
    )
    for name, figure in FIGURES.items():
        repeated.__dict__["edges"] = tested.edges  # bins are those of the test events, not of a resampling
        mine, other = figure(tested)(counts), figure(repeated)(np.ones(counts.sum()))
        assert mine == pytest.approx(other, rel=0.02, abs=1e-3, nan_ok=True), name


def test_true_masses_are_those_of_the_generated_tops_and_needed_of_all_events():
    events = dilepton_events(20, seed=1)
    np.testing.assert_allclose(true_mass(events), generated_tops(events).m_ttbar)
    batch = next(iter(EventLoader(events, 20)))
    batch.level = torch.zeros_like(batch.level)
    with pytest.raises(PygHepError, match="20 of 20 events lack a generated pair"):
        true_mass(batch)
