import numpy as np
import pytest

from pyg_hep.analysis.tops import VisibleMass, visible_mass
from pyg_hep.errors import PygHepError

from .partons import as_events, mass


def test_the_tops_add_up_to_the_scaled_visible_mass(toys):
    events = as_events(toys)
    found = VisibleMass(1.3)(events)
    np.testing.assert_allclose(found.m_ttbar, 1.3 * visible_mass(events), rtol=1e-12)
    met = np.hypot(*events.met.T)
    everything = events.antilepton + events.lepton + events.jets.sum(1)
    everything[:, :2] += events.met
    everything[:, 3] += met
    np.testing.assert_allclose(visible_mass(events), mass(everything))
    assert found.valid.all()


def test_the_fitted_scale_has_a_median_ratio_of_one(measured):
    events, truth = measured
    fitted = VisibleMass().fit(events, truth)
    assert np.median(fitted(events).m_ttbar / truth) == pytest.approx(1.0, abs=1e-9)
    assert fitted.scale == pytest.approx(VisibleMass().scale, rel=0.02)
    weight = np.where(np.arange(len(events)) < 100, 1.0, 0.0)
    # The median of a sample steps between two of its events.
    assert VisibleMass().fit(events, truth, weight).scale == pytest.approx(
        VisibleMass().fit(events[:100], truth[:100]).scale, rel=0.01
    )


def test_a_fit_needs_events_and_their_masses(toys):
    events = as_events(toys)
    with pytest.raises(PygHepError, match=r"50 events need as many true masses, got shape \(3,\)"):
        VisibleMass().fit(events, [400.0] * 3)
    with pytest.raises(PygHepError, match="at least one dileptonic event"):
        VisibleMass().fit(events[:0], [])
