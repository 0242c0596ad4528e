import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import two_sample_auc
from pyg_hep.testing.jets import random_jets

FAST = {"epochs": 3, "threads": 1}


def test_the_same_distribution_is_not_told_apart():
    found = two_sample_auc(random_jets(1200, num_classes=1), random_jets(600, num_classes=1, seed=1), **FAST)
    assert found.jets == 600
    # 240 test jets of each: (1/12 (1/240 + 1/240))^1/2 = 0.026.
    for auc, error in ((found.auc, found.error), (found.floor, found.floor_error)):
        assert error == pytest.approx(0.026, abs=0.006)
        assert abs(auc - 0.5) < 3 * 0.026


def test_plainly_different_jets_are_told_apart_and_the_seed_decides():
    jets = random_jets(400)
    narrow, wide = (jets.index_select((jets.column("y") == k).nonzero()[:, 0]) for k in (0, 1))
    found = two_sample_auc(narrow, wide, **FAST, replicas=20)
    assert found.jets == 100
    assert found.auc > 0.95
    assert abs(found.floor - 0.5) < 0.25
    assert two_sample_auc(narrow, wide, **FAST, replicas=20) == found
    assert found.as_dict()["auc"] == found.auc


def test_what_cannot_be():
    with pytest.raises(PygHepError, match="needs 20 true and 10 generated jets, got 19 and 12"):
        two_sample_auc(random_jets(19), random_jets(12))
    with pytest.raises(PygHepError, match="1 of the generated jets have no particle"):
        two_sample_auc(random_jets(20), random_jets(counts=[1] * 11 + [0]))
