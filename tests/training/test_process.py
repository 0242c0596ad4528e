import logging
import os
import random
import signal
import warnings

import numpy as np
import pytest
import torch

from pyg_hep.training import process


def state():
    return (
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        list(warnings.filters),
        logging.getLogger("lightning.pytorch.utilities.rank_zero").level,
        signal.getsignal(signal.SIGINT),
        os.environ.get("OMP_NUM_THREADS"),
    )


@pytest.mark.parametrize("fails", [False, True])
def test_the_process_is_as_it_was_whatever_happens(fails, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = state()
    with pytest.raises(ZeroDivisionError) if fails else warnings.catch_warnings(), process.isolated(threads=1):
        assert torch.get_num_threads() == 1
        process.seed_everything(5)
        torch.rand(3), np.random.random(), random.random()  # noqa: NPY002
        warnings.filterwarnings("ignore", message="anything")
        torch.set_num_threads(2)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.environ["OMP_NUM_THREADS"] = "7"
        if fails:
            raise ZeroDivisionError
    assert state() == before


def test_no_two_keys_have_the_same_random_numbers():
    with process.isolated():
        drawn = []
        for key in ((0,), (0, 0), (0, 1), (1, 0), (0, 0, 1), (0, 1, 0), (0, 0)):
            process.seed_everything(*key)
            drawn.append((float(torch.rand(())), np.random.random(), random.random()))  # noqa: NPY002
    assert len(set(drawn)) == 6
    assert drawn[1] == drawn[-1]
