import numpy as np
import pytest

from . import partons


@pytest.fixture(scope="session")
def pairs():
    """4,000 dileptonic top pairs, taus included: four-vectors of the daughters by name."""
    return partons.read(4000)


@pytest.fixture(scope="session")
def measured():
    """Events of the anchor's detector from 6,000 top pairs without taus, and their true m(ttbar)."""
    return partons.measured(partons.read(6000, taus=False))


@pytest.fixture(scope="session")
def toys():
    """50 top pairs made here, decayed isotropically, so that nothing needs a file; daughters by name, and masses."""
    rng = np.random.default_rng(5)
    return partons.toy_pairs(50, rng)
