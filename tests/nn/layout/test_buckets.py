import pytest
import torch

from pyg_hep.nn.layout.buckets import STEP, SizeBuckets


@pytest.mark.parametrize("counts", [[3, 1, 20, 8, 9, 0, 17], [0, 0], [], [5]])
def test_objects_come_back_to_their_rows(counts):
    buckets = SizeBuckets.of(counts)
    x = torch.arange(2.0 * sum(counts)).view(-1, 2)
    parts = buckets.spread(x)
    assert [part.shape[:2] for part in parts] == [(block.events, block.size) for block in buckets.blocks]
    if parts:
        assert torch.equal(buckets.pack(parts), x)
    assert sum(block.events for block in buckets.blocks) == sum(n > 0 for n in counts)


def test_events_of_similar_size_share_a_block_no_larger_than_its_largest():
    buckets = SizeBuckets.of([STEP, 1, STEP + 1, 2 * STEP, 3 * STEP - 2])
    assert [(block.events, block.size) for block in buckets.blocks] == [(2, STEP), (2, 2 * STEP), (1, 3 * STEP - 2)]
    assert buckets.blocks[2].mask is None
    assert buckets.blocks[0].mask.sum(1).tolist() == [STEP, 1]


def test_padding_hands_no_gradient_back():
    buckets = SizeBuckets.of([3, 1])
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    (part,) = buckets.spread(x)
    part.backward(torch.ones_like(part))
    assert torch.equal(x.grad, torch.ones_like(x))
    filled = torch.zeros(2, 3, 2, dtype=torch.float64, requires_grad=True)
    buckets.pack([filled]).sum().backward()
    assert torch.equal(filled.grad[1, 1:], torch.zeros(2, 2, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda values: buckets.pack(buckets.spread(values)) ** 2, x)
