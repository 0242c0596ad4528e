from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from pyg_hep.nn.layout import Complete
from pyg_hep.nn.modulation import Modulation
from pyg_hep.nn.time_embedding import TimeEmbedding


def test_is_the_published_embedding():
    torch.manual_seed(0)
    layer = TimeEmbedding(4, frequencies=32).double()
    t = 0.37
    # Frequencies 1 to 1e-4, evenly spaced in the logarithm, times 1000: arXiv:2502.14652 and its code.
    angles = [1000 * t * 10 ** (-4 * m / 31) for m in range(32)]
    row = torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles], dtype=torch.float64) * t
    expected = F.silu(layer.outer(F.silu(layer.inner(row))))
    # Frequencies are kept in single precision: 6e-8 of an angle of up to 370.
    torch.testing.assert_close(layer(torch.tensor([t], dtype=torch.float64))[0], expected, rtol=1e-4, atol=1e-5)


def test_time_zero_is_exactly_zero_and_leaves_objects_exactly_as_they_are():
    torch.manual_seed(0)
    embedding, modulation = TimeEmbedding(4), Modulation(4, 4, bias=False)
    rows, x, layout = embedding(torch.tensor([0.0, 0.5])), torch.randn(5, 4), Complete.of_counts(torch.tensor([3, 2]))
    assert not rows[0].any()
    out = modulation(x, rows, layout)
    assert torch.equal(out[:3], x[:3])
    scale, shift = F.gelu(modulation.linear(rows[1])).chunk(2)
    torch.testing.assert_close(out[3:], x[3:] * (1 + scale) + shift)
    assert repr(embedding) == "TimeEmbedding(4, frequencies=32)"
