import math

import pytest
import torch

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation.constituents import Constituents


def test_padded_and_packed_particles_are_the_same():
    p4 = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
    padded = Constituents.of(p4, mask)
    packed = Constituents.of(p4[mask].numpy(), ptr=[0, 2, 2, 6])
    assert torch.equal(padded.p4, packed.p4)
    assert padded.count.tolist() == packed.count.tolist() == [2, 0, 4]
    assert padded.jet.tolist() == [0, 0, 2, 2, 2, 2]


def test_chunks_hold_every_particle_once():
    generator = torch.Generator().manual_seed(0)
    count = torch.tensor([3, 0, 900, 1200, 1, 1199])
    particles = Constituents(torch.rand(int(count.sum()), 4, generator=generator, dtype=torch.float64), count)
    chunks = list(particles.padded())
    assert len(chunks) > 2  # large jets are not padded together with all the others
    jets = torch.cat([jets for jets, _, _ in chunks])
    assert sorted(jets.tolist()) == [0, 2, 3, 4, 5]
    for jets, columns, mask in chunks:
        for jet, values, present in zip(jets.tolist(), columns, mask, strict=True):
            assert torch.equal(values[present][:, 0], particles.p4[particles.jet == jet, 0])
            assert not values[~present].any()


def test_rapidity_of_massive_massless_and_soft_particles():
    p4 = torch.tensor([[10.0, 1.5, 0.0, 0.0], [10.0, 1.5, 0.0, 7.0], [0.0, 2.0, 0.0, 0.0], [0.0, 2.0, 0.0, 1.0]])
    particles = Constituents.of(p4, ptr=[0, 4])
    pz, energy = 10 * math.sinh(1.5), math.sqrt((10 * math.cosh(1.5)) ** 2 + 49)
    expected = [1.5, 0.5 * math.log((energy + pz) / (energy - pz)), 0.0, 0.0]
    assert particles.rapidity().tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(2, 4),), "either the mask of padded jets or the ptr"),
        ((torch.ones(2, 3, 4), torch.ones(2, 2).bool()), r"p4 \[J, n, 4\] and a mask"),
        ((torch.ones(2, 3, 4), torch.ones(2, 3)), "a mask .* of booleans"),
        ((torch.ones(2, 4), None, [0.0, 2.0]), "a ptr .* of integers"),
        ((torch.ones(2, 4), None, [0, 1]), "does not rise from 0 to the end"),
        ((torch.ones(2, 4), None, [0, 3, 2]), "does not rise"),
        ((torch.full((2, 4), math.nan), None, [0, 2]), "NaN, infinite"),
        ((torch.tensor([[-1.0, 0, 0, 0]]), None, [0, 1]), "negative pt or mass"),
    ],
)
def test_what_cannot_be_used_is_said(arguments, message):
    with pytest.raises(PygHepError, match=message):
        Constituents.of(*arguments)


def test_padding_may_hold_anything():
    p4 = torch.full((1, 2, 4), math.nan)
    p4[0, 0] = 1.0
    assert Constituents.of(p4, torch.tensor([[True, False]])).count.tolist() == [1]
