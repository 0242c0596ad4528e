import numpy as np

from pyg_hep.datasets.event_keys import SeenEvents


def test_keys_are_new_once():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 400, 1000)
    seen, known = SeenEvents(), set()
    for part in np.split(keys, [125, 250, 375, 500, 625, 750, 875]):
        expected = []
        for key in part.tolist():
            expected.append(key not in known)
            known.add(key)
        assert seen.first_time(part).tolist() == expected
    assert SeenEvents(keys).first_time(np.array([int(keys[0]), 999])).tolist() == [False, True]
