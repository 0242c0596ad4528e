import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.generation import DiffusedColumns
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.testing.jets import random_jets


def jets(counts=(5, 1, 8)):
    return next(iter(EventLoader(random_jets(counts=counts), len(counts))))


def test_columns_without_noise_give_the_four_vectors_back():
    """Relative to the jet's azimuth, and without masses, which three columns do not know."""
    view, batch = View.omnilearn().double(), jets()
    made = view(batch)
    for names in (("outward_d_eta", "d_phi", "log_rest_pt"), None):
        diffused = DiffusedColumns(view, names)
        z = diffused.data(made)
        p4 = diffused.momenta(view, made, z)
        # A share of the jet's momentum is cut off at 1 - 1e-5, and the constants are those of float32.
        torch.testing.assert_close(p4[:, 0], batch.p4[:, 0].double(), rtol=2e-5, atol=1e-3)
        torch.testing.assert_close(p4[:, 1], batch.p4[:, 1].double(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(p4[:, 2], made.x[:, 1] * view.scale[1])
        assert float(p4[:, 3].max()) < 0.01 * float(p4[:, 0].max())
        assert not diffused.negative(view, z).any()


def test_what_is_assumed_is_what_the_columns_do_not_say():
    for view, names, assumed in (
        (View.omnilearn(), ("outward_d_eta", "d_phi", "log_rest_pt"), ("total_phi", "mass")),
        (View.omnilearn(), None, ("total_phi",)),
        (View(["pt", "eta", "phi", "mass"]), None, ()),
        (View(["log_pt", "eta", "phi"]), None, ("mass",)),
    ):
        assert DiffusedColumns(view, names).assumed == assumed
    for names, message in ((["pt", "eta"], "do not determine a momentum"), ([], "different columns to noise")):
        with pytest.raises(ConfigError, match=message):
            DiffusedColumns(View(["pt", "eta", "phi", "mass"]), names)


def test_negative_momenta_are_counted_where_they_are_cut_off():
    view = View(["pt", "eta", "phi", "mass"], constants=[(10.0, 5.0), (0.0, 1.0), (0.0, 1.0), (1.0, 1.0)])
    diffused = DiffusedColumns(view)
    made = diffused.empty(view, torch.tensor([3]), None)
    z = torch.tensor([[-3.0, 0.0, 0.0, 0.0], [-1.0, 0.0, 0.0, -2.0], [1.0, 0.0, 4.0, 0.0]])
    p4 = diffused.momenta(view, made, z)
    assert p4[:, 0].tolist() == [0.0, 5.0, 15.0]
    assert p4[:, 3].tolist() == [1.0, 0.0, 1.0]
    assert diffused.negative(view, z).tolist() == [True, False, False]
    logarithm = View(["log_pt", "eta", "phi"])
    assert not DiffusedColumns(logarithm).negative(logarithm, z[:, :3]).any()


def test_the_model_input_is_a_changed_copy():
    view, batch = View.omnilearn(), jets()
    made = view(batch)
    before = {name: made[name].clone() for name in ("x", "p4", "u")}
    diffused = DiffusedColumns(view, ("outward_d_eta", "d_phi", "log_pt"))
    z, time = torch.randn(14, 3), torch.tensor([0.0, 0.5, 1.0])
    noised = diffused.noised(view, made, z, time)
    assert all(torch.equal(made[name], values) for name, values in before.items())
    assert "time" not in made
    assert torch.equal(noised.x[:, [0, 1, 3]], z)
    assert not noised.x[:, [2, *range(4, 13)]].any()
    assert torch.equal(noised.u, made.u)
    assert noised.num_graphs == 3
    empty = diffused.empty(view, batch.ptr.diff(), made.u)
    again = diffused.noised(view, empty, z, time)
    for name in ("x", "p4", "u", "time", "batch", "ptr"):
        assert torch.equal(again[name], noised[name]), name
