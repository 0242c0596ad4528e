from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyg_hep.errors import ConfigError
from pyg_hep.nn.conv import MultiHeadAttention
from pyg_hep.nn.layout import Complete, Edges
from pyg_hep.nn.layout.within import attention_within
from pyg_hep.transforms.complete_graph import complete_edges

COUNTS = [[4, 1, 3], [1, 1], [30, 2, 17, 8, 9], [0, 3, 0]]


def inputs(counts, channels=12, seed=0):
    number = torch.tensor(counts)
    x = torch.randn(int(number.sum()), channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.requires_grad_(), Edges(complete_edges(number)[0], number, len(x)), Complete.of_counts(number)


def layer(heads=3, **kwargs) -> MultiHeadAttention:
    torch.manual_seed(0)
    return MultiHeadAttention(12, heads, **kwargs).double()


def gradients(out, x, model):
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return torch.autograd.grad((out * weights).sum(), [x, *model.parameters()])


@pytest.mark.parametrize("counts", COUNTS)
def test_all_ways_agree_with_their_gradients(counts):
    model = layer()
    x, edges, complete = inputs(counts)
    ptr = F.pad(complete.counts.cumsum(0), (1, 0))
    expected = model(x, edges)
    right = gradients(expected, x, model)
    for out in (model(x, complete), model.out(attention_within(model.qkv(x), ptr, 3))):
        torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-12)
        for a, b in zip(gradients(out, x, model), right, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_biases_enter_the_logits_of_their_edge_and_head():
    model = layer()
    x, edges, complete = inputs([3, 9, 2])
    table = torch.randn(14, 14, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    table = table.requires_grad_()
    rows = torch.arange(14.0).unsqueeze(1)

    def look_up(target, source):
        return table[target.long().squeeze(-1), source.long().squeeze(-1)]

    expected, out = (model(x, layout, layout.bias(look_up, rows)) for layout in (edges, complete))
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(expected, model(x, edges))
    weights = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)
    a, b = (torch.autograd.grad((one * weights).sum(), table)[0] for one in (out, expected))
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_update_is_the_published_one():
    # Vaswani et al., arXiv:1706.03762, section 3.2, for node 0 of an event of three, head by head.
    model = layer()
    x, edges, _ = inputs([3])
    q, k, v = model.qkv(x).view(3, 3, 3, 4).unbind(1)
    heads = [((q[0, h] @ k[:, h].T) / 2).softmax(0) @ v[:, h] for h in range(3)]
    torch.testing.assert_close(model(x, edges)[0], model.out(torch.cat(heads)))


def test_a_node_without_edges_hears_of_itself_and_a_given_loop_does_not_count_twice():
    model = layer()
    x, _, _ = inputs([3])
    few = Edges(torch.tensor([[0, 1, 1], [1, 1, 2]]), torch.tensor([3]), 3)
    without = Edges(torch.tensor([[0, 1], [1, 2]]), torch.tensor([3]), 3)
    torch.testing.assert_close(model(x, few)[0], model.out(model.qkv(x)[0, 24:]))
    torch.testing.assert_close(model(x, few), model(x, without))


def test_equals_torchs_attention():
    model = layer()
    x, edges, _ = inputs([5])
    twin = nn.MultiheadAttention(12, 3, batch_first=True).double()
    twin.load_state_dict({
        "in_proj_weight": model.qkv.weight, "in_proj_bias": model.qkv.bias,
        "out_proj.weight": model.out.weight, "out_proj.bias": model.out.bias,
    })  # fmt: skip
    torch.testing.assert_close(model(x, edges), twin(x[None], x[None], x[None])[0][0])


def test_operator_is_sound_for_the_compiler():
    ptr = torch.tensor([0, 3, 12, 14])
    qkv = torch.randn(14, 36, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(attention_within, (qkv, ptr, 3))
    assert torch.autograd.gradcheck(lambda values: attention_within(values, ptr, 3), qkv)


def test_dropout_drops_weights_in_training_on_both_ways():
    model = layer(dropout=0.5)
    x, *layouts = inputs([6, 6, 6])
    for call in [lambda layout=layout: model(x, layout) for layout in layouts]:
        assert not torch.equal(call(), call())
        model.eval()
        assert torch.equal(call(), call())
        model.train()


def test_fused_path_needs_no_memory_for_weights_of_pairs():
    model = MultiHeadAttention(12, 3)
    x = torch.randn(400, 12, requires_grad=True)
    layout = Complete.of_counts(torch.tensor([400]))
    kept = 0

    def pack(tensor):
        nonlocal kept
        kept = max(kept, tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x, layout)
    assert kept <= 3 * 12 * 400  # the weights of the pairs would be 3 x 400 x 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 5}, "5 heads do not divide a width of 12"),
        ({"heads": 0}, "0 heads do not divide"),
        ({"heads": 3, "dropout": -0.1}, "dropout must lie in"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(ConfigError, match=message):
        MultiHeadAttention(12, **arguments)


def test_repr_and_reset():
    model = layer()
    assert repr(model) == "MultiHeadAttention(12, heads=3)"
    before = model.qkv.weight.clone()
    model.reset_parameters()
    assert not torch.equal(model.qkv.weight, before)
