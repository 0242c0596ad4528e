"""Where the time of a training step of our jet taggers goes, and how near it comes to the matrix rate of the core.

    python benchmarks/profile_taggers.py

The networks and jets of ``jet_transformers.py`` and ``particle_net.py``, one thread. The rate of a step is its
floating-point operations in matrix products, convolutions and attention over its whole time; the matrix rate is that of
float32 products of 1024 x 1024. Shares of the time are by kind of operator, as the profiler of torch has them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from jet_transformers import OURS
from jets import Tagger, packed_batches, steps
from particle_net import BLOCKS
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from pyg_hep.nn import Backbone, ParticleNet

KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "baddbmm", "linear"),
    "attention": ("attention",),
    "neighbours": ("sort", "topk", "cdist"),
    "gather and scatter": ("index", "gather", "scatter", "copy", "cat"),
    "norms": ("norm",),
    "activations": ("gelu", "relu", "threshold", "tanh", "softmax"),
    "optimiser": ("foreach", "adam", "sqrt_", "addcdiv", "addcmul", "lerp"),
}
"""Kind -> parts of names of operators; the first that fits counts, what fits none is ``rest``."""


def kind_of(operator: str) -> str:
    """To which of :data:`KINDS` an operator of torch belongs."""
    name = operator.removeprefix("aten::").removeprefix("_")
    if name in KINDS["matrix products"]:
        return "matrix products"
    rest = list(KINDS.items())[1:]
    return next((kind for kind, parts in rest if any(part in name for part in parts)), "rest")


def seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    """The least of some repeats: beside other processes the others are too long."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def matrix_rate(size: int = 1024) -> float:
    """Floating-point operations per second of a product of two square matrices."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / seconds(lambda: a @ b, 10)


def profiled(name: str, backbone: Backbone, rate: float) -> str:
    """One line of the table."""
    step = steps(Tagger(backbone).train(), packed_batches(backbone.in_channels))
    duration = seconds(step)
    with FlopCounterMode(display=False) as counter:
        step()
    with profile(activities=[ProfilerActivity.CPU]) as measured:
        step()
    shares: Counter[str] = Counter()
    for event in measured.key_averages():
        shares[kind_of(event.key)] += event.self_cpu_time_total
    total = sum(shares.values())
    flops = counter.get_total_flops()
    cells = ", ".join(f"{kind} {100 * spent / total:.0f} %" for kind, spent in shares.most_common())
    speed = f"{flops / duration / 1e9:.1f} GFLOP/s, {flops / duration / rate:.0%} of the matrix rate"
    return f"{name:24s}{1e3 * duration:8.0f} ms, {speed}: {cells}"


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rate = matrix_rate()
    print(f"matrix rate of the core: {rate / 1e9:.1f} GFLOP/s")
    networks = {**{name: make() for name, make in OURS.items()}, "ParticleNet": ParticleNet(7, channels=BLOCKS)}
    for name, backbone in networks.items():
        print(profiled(name, backbone, rate))


if __name__ == "__main__":
    main()
