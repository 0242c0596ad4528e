from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pyg_hep.nn.linear import linear


def plain(x, weight, bias, addend, relu):
    out = F.linear(x, weight, bias) + (0 if addend is None else addend)
    return out.relu() if relu else out


def tensors(dtype, with_addend, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(9, 5), (6, 5), (6,)] + ([(9, 6)] if with_addend else [])
    made = [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]
    return [*made, None][:4]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("with_addend", [True, False])
@pytest.mark.parametrize("relu", [True, False])
def test_values_and_gradients_are_those_of_torch(dtype, with_addend, relu):
    inputs = tensors(dtype, with_addend)
    leaves = [t for t in inputs if t is not None]
    found, expected = linear(*inputs, relu), plain(*inputs, relu)
    torch.testing.assert_close(found, expected)
    weights = torch.linspace(-1, 1, expected.numel(), dtype=dtype).view_as(expected)
    for a, b in zip(
        torch.autograd.grad((found * weights).sum(), leaves),
        torch.autograd.grad((expected * weights).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("relu", [True, False])
def test_second_derivatives_are_those_of_torch(relu):
    def penalty(function):
        x, weight, bias, addend = tensors(torch.float32, True)
        out = function(x, weight, bias, addend, relu)
        (gradient,) = torch.autograd.grad(out.pow(2).sum(), x, create_graph=True)
        return torch.autograd.grad(gradient.pow(2).sum(), [x, weight, bias, addend])

    for a, b in zip(penalty(linear), penalty(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_blocks_of_a_weight_and_transposes_are_allowed():
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(6, 20, generator=generator), torch.randn(9, 5, generator=generator)
    wide = torch.randn(9, 12, generator=generator)
    torch.testing.assert_close(linear(x, weight[:, 5:10]), x @ weight[:, 5:10].t())
    torch.testing.assert_close(linear(wide[:, :6], weight[:, :4].t()), wide[:, :6] @ weight[:, :4])
    torch.testing.assert_close(linear(x, weight[:, 5:10], addend=wide[:, ::2]), x @ weight[:, 5:10].t() + wide[:, ::2])


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_and_one_row(rows):
    x, weight = torch.randn(rows, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    out = linear(x, weight, relu=True)
    assert out.shape == (rows, 4)
    out.sum().backward()
    assert x.grad.shape == x.shape
    assert weight.grad.shape == weight.shape
