import numpy as np
import pytest
import torch
from scipy import stats
from torch_geometric.data import Batch, Data

from pyg_hep.errors import ConfigError
from pyg_hep.schema import Level
from pyg_hep.transforms import MaskParticles


def both_levels(counts, generated):
    """Events whose last nodes are generated; of their columns only the levels matter."""
    counts, generated = torch.tensor(counts), torch.tensor(generated)
    event = torch.repeat_interleave(torch.arange(len(counts)), counts)
    ptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    behind = ptr[1:][event] - torch.arange(len(event))
    level = torch.where(behind <= generated[event], int(Level.GEN), int(Level.RECO))
    return Batch(_base_cls=Data, p4=torch.zeros(len(event), 4), level=level, batch=event, ptr=ptr)


def per_event(batch, flags):
    return torch.zeros(len(batch.ptr) - 1, dtype=torch.int64).index_add(0, batch.batch, flags.long())


def test_every_event_hides_something_and_single_particles_as_redrawn():
    """Events of 5 particles: the number hidden is binomial with p = 1/5, without 0; places are alike."""
    batch = both_levels((5,) * 20_000, (2,) * 20_000)
    hidden = MaskParticles(whole_level=0.0).hidden(batch, torch.Generator().manual_seed(0))
    number = per_event(batch, hidden)
    assert int(number.min()) == 1
    expected = stats.binom.pmf(np.arange(1, 6), 5, 0.2) / (1 - 0.8**5)
    observed = torch.bincount(number, minlength=6)[1:].numpy()
    kept = expected > 1e-3
    assert (
        stats.chisquare(
            np.append(observed[kept], observed[~kept].sum()), 20_000 * np.append(expected[kept], expected[~kept].sum())
        ).pvalue
        > 1e-3
    )
    of_place = hidden.view(-1, 5).double().mean(0)
    assert torch.allclose(of_place, torch.full((5,), 0.2 / (1 - 0.8**5)).double(), atol=5 * 0.0033)


def test_half_of_the_events_hide_a_whole_level_each_as_often():
    batch = both_levels((6,) * 20_000, (2,) * 20_000)
    hidden = MaskParticles().hidden(batch, torch.Generator().manual_seed(1)).view(-1, 6)
    generated, reconstructed = hidden[:, 4:].sum(1), hidden[:, :4].sum(1)
    whole_gen, whole_reco = (generated == 2) & (reconstructed == 0), (generated == 0) & (reconstructed == 4)
    # Single particles make a whole level of two generated ones too: 1/36 (5/6)^4 / (1 - (5/6)^6) of the other half.
    by_chance = (5 / 6) ** 4 / 36 / (1 - (5 / 6) ** 6)
    assert float(whole_gen.double().mean()) == pytest.approx(0.25 + 0.5 * by_chance, abs=5 * 0.0031)
    assert float(whole_reco.double().mean()) == pytest.approx(0.25, abs=5 * 0.0031)


def test_events_of_one_level_or_of_one_particle():
    """A level that is all of the event is not hidden as a whole; the only particle is."""
    batch = both_levels((8,) * 3_000 + (1,) * 10, (0,) * 1_500 + (8,) * 1_500 + (0,) * 10)
    number = per_event(batch, MaskParticles(whole_level=1.0).hidden(batch, torch.Generator().manual_seed(2)))
    assert int(number[:3_000].max()) < 8
    assert number[3_000:].tolist() == [1] * 10


def test_the_generator_decides_and_the_batch_is_left_alone():
    batch, mask = both_levels((5,) * 50, (2,) * 50), MaskParticles()
    one, two, other = (mask.hidden(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    made = mask(batch, torch.Generator().manual_seed(1))
    assert torch.equal(made.hidden, one)
    assert "hidden" not in batch
    assert MaskParticles(**mask.config()).config() == mask.config()


def test_events_without_particles_hide_nothing():
    batch = both_levels((3, 2), (1, 1))
    batch.ptr, batch.batch = torch.tensor([0, 3, 3, 5]), torch.tensor([0, 0, 0, 2, 2])
    hidden = MaskParticles().hidden(batch, torch.Generator().manual_seed(0))
    assert hidden.shape == (5,)
    assert bool(hidden[:3].any())
    assert bool(hidden[3:].any())


def test_a_probability_is_one():
    with pytest.raises(ConfigError, match="whole_level must be a probability, found 2"):
        MaskParticles(2)
