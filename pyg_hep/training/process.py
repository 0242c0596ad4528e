"""What a training changes of its process while it runs, and puts back afterwards; and its random numbers."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
import signal
import threading
import warnings
from collections.abc import Iterator

import numpy as np
import torch

_ADVICE = (
    # Advice of the trainer that does not apply to loaders that are not torch's, or to what fit means to do.
    ".*does not have many workers.*",
    ".*number of training batches.*smaller than the logging.*",
    ".*Checkpoint directory.*exists.*",
    ".*LeafSpec.*is deprecated.*",
)
_LOGGERS = ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero")


def seed_everything(*key: int) -> None:
    """Seed torch, NumPy and Python with a key of several numbers: no two keys give the same random numbers.

    Lightning's function of this name sets environment variables too, which outlive the training.
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "little")
    torch.manual_seed(number >> 1)
    np.random.seed(number % 2**32)  # noqa: NPY002 (what other packages draw from)
    random.seed(number)


@contextlib.contextmanager
def isolated(threads: int | None = None) -> Iterator[None]:
    """Run something that leaves the process as it was, whatever happens.

    Random states (torch and its devices, NumPy, Python), warning filters, levels of Lightning's loggers, number of
    torch's threads and the handler of Ctrl-C are restored. Lightning's advice that does not apply is silenced inside.

    Args:
        threads: torch's threads inside; None leaves them.
    """
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    before, openmp = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    handler = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message=message)
            for name in levels:
                logging.getLogger(name).setLevel(logging.WARNING)
            if threads is not None:
                torch.set_num_threads(threads)
            yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])
        for number, state in enumerate(devices):
            torch.cuda.set_rng_state(state, number)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        torch.set_num_threads(before)
        if openmp is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGINT, handler)
