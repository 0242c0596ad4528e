import copy
import io
import pickle

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import RawColumns, SummaryVariables, View, register_column
from pyg_hep.inputs.columns import EVENT_COLUMNS, NODE_COLUMNS, SUMMARY
from pyg_hep.inputs.presets import PRESETS
from pyg_hep.kinematics import delta_phi, from_cartesian, to_cartesian
from pyg_hep.schema import Level
from pyg_hep.testing.events import random_events, with_features
from pyg_hep.transforms import CompleteGraph, SelectNodes

COUNTS = (4, 1, 7, 2)


def events(dtype=torch.float64, counts=COUNTS):
    batch = random_events(counts, seed=3, dtype=dtype)
    nodes = batch.num_nodes
    batch.d0 = torch.linspace(-1, 1, nodes, dtype=dtype)
    batch.covariance = torch.arange(3.0 * nodes, dtype=dtype).view(nodes, 3)
    batch.rho = torch.linspace(10, 20, len(counts), dtype=dtype)
    batch.scales = torch.arange(2.0 * len(counts), dtype=dtype).view(-1, 2)
    batch.pdg_id = torch.tensor([6, 24, -24] * nodes)[:nodes]
    return batch


def padded(batch, width=9, junk=float("nan")):
    """Columns on ``[B, width]``, with ``junk`` where there is no object, and the mask."""
    counts = batch.ptr.diff()
    mask = torch.arange(width) < counts.unsqueeze(1)
    columns = {}
    for name in ("p4", "kind", "charge", "btag", "level", "d0", "covariance", "pdg_id"):
        values = batch[name]
        table = torch.full((len(counts), width, *values.shape[1:]), junk if values.is_floating_point() else 0).to(
            values
        )
        table[mask] = values
        columns[name] = table
    return {**columns, "rho": batch.rho, "scales": batch.scales}, mask


def test_the_view_of_ho_is_the_seven_columns():
    batch = events(torch.float32)
    made = View.ho()(batch)
    torch.testing.assert_close(made.x, with_features(batch).x)
    assert sorted(made.keys()) == ["batch", "num_nodes", "p4", "ptr", "x"]
    assert made.num_graphs == 4
    assert made.to(torch.device("cpu")).x.shape == (14, 7)


def test_nothing_but_what_the_model_may_see_is_there():
    batch = CompleteGraph()(events())
    batch.time = torch.rand(4)
    made = View(["pt"], events=["rho"], ids=["kind"]).double()(batch)
    assert sorted(made.keys()) == ["batch", "edge_index", "ids", "num_nodes", "p4", "ptr", "time", "u", "x"]
    assert torch.equal(made.edge_index, batch.edge_index)
    assert torch.equal(made.time, batch.time)


@pytest.mark.parametrize("name", list(PRESETS))
def test_published_views_are_the_same_packed_and_padded(name):
    batch = events()
    view = View(name).double()
    view.fit(batch)
    packed = view(batch)
    columns, mask = padded(batch)
    dense = view.dense(columns, mask)
    for key in ("x", "p4", *(("ids",) if view.ids else ())):
        torch.testing.assert_close(dense[key][mask], packed[key], rtol=1e-12, atol=1e-12)
        assert not dense[key][~mask].any()
    if view.events:
        torch.testing.assert_close(dense.u, packed.u, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", list(NODE_COLUMNS))
def test_every_column_is_finite_and_the_same_event_by_event(name):
    batch = events()
    view = View([name]).double()
    made = view(batch).x
    assert made.isfinite().all()
    for k, graph in enumerate(batch.to_data_list()):
        rows = slice(*batch.ptr[k : k + 2].tolist())
        graph.pdg_id = batch.pdg_id[rows]
        torch.testing.assert_close(view(graph).x, made[rows], rtol=1e-12, atol=1e-12)


def test_columns_relative_to_the_sum_of_the_event():
    batch = events(counts=(5,))
    total = from_cartesian(to_cartesian(batch.p4).sum(0))
    relative = ["relative_pt", "log_relative_pt", "log_relative_energy"]
    view = View(["d_eta", "d_phi", "log_rest_pt", *relative], events=list(EVENT_COLUMNS)).double()
    made = view(batch)
    share = batch.p4[:, 0] / total[0]
    energy = to_cartesian(batch.p4)[:, 3]
    torch.testing.assert_close(made.x[:, 3:], torch.stack([share, share.log(), (energy / energy.sum()).log()], dim=1))
    torch.testing.assert_close(made.x[:, 0], batch.p4[:, 1] - total[1])
    torch.testing.assert_close(made.x[:, 1], delta_phi(batch.p4[:, 2], total[2]))
    assert made.u[0, :5].tolist() == pytest.approx([5.0, *total.tolist()])


def test_omnilearn_sees_a_jet_the_same_from_either_side():
    # arXiv:2502.14652 as its code has it: d eta times the sign of the jet's eta.
    view, batch = View.omnilearn().double(), events(counts=(5, 9))
    side = torch.sign(view.event_values(batch)[:, 1])
    assert set(side.tolist()) == {-1.0, 1.0}
    made = view(batch)
    d_eta = View(["d_eta"]).double()(batch).x[:, 0]
    torch.testing.assert_close(view.physical(made.x)[:, 0], d_eta * side[batch.batch])
    batch.p4[:, 1] *= -1
    torch.testing.assert_close(view(batch).x, made.x)


def test_stored_columns_by_name_and_by_position():
    batch = events()
    made = View(["d0", "covariance[2]", "pt"], events=["rho", "scales[1]"]).double()(batch)
    assert torch.equal(made.x[:, 0], batch.d0)
    assert torch.equal(made.x[:, 1], batch.covariance[:, 2])
    assert torch.equal(made.u, torch.stack([batch.rho, batch.scales[:, 1]], dim=1))


def test_hidden_columns_are_the_mean_and_hidden_momenta_are_gone():
    batch = events()
    view = View(["pt", "charge", "d0"], ids=["kind", "hidden"]).double()
    view.fit(batch)
    plain = view(batch)
    flags = torch.arange(14) % 3 == 0
    made = view(batch, {"charge": flags})
    assert not made.x[flags, 1].any()
    assert torch.equal(made.p4, plain.p4)
    assert made.ids[:, 1].tolist() == flags.long().tolist()
    made = view(batch, {"pt": flags, "kind": flags})
    assert not made.p4[flags].any()
    assert torch.equal(made.p4[~flags], plain.p4[~flags])
    assert set(made.ids[flags, 0].tolist()) == {view.channels.ids[0] - 1}
    assert torch.equal(made.ids[~flags, 0], batch.kind[~flags])


def test_a_hidden_momentum_reaches_nothing_of_the_input():
    # Not even by the axis of the jet, which is the sum of all momenta.
    batch = events()
    view = View.omnilearn().double()
    hidden = {
        name: torch.arange(14) % 2 == 0 for name in view.columns if name != "charge" and NODE_COLUMNS[name].momentum
    }
    batch.p4.requires_grad_()
    made = view(batch, hidden)
    (made.x.square().sum() + made.u.square().sum() + made.p4.square().sum()).backward()
    assert not batch.p4.grad[::2].any()
    assert batch.p4.grad[1::2].any()


def test_select_drops_nodes_and_travels_with_the_view():
    batch = CompleteGraph()(events())
    batch.level[::2] = int(Level.GEN)
    view = View(["pt", "d_eta"], events=["num_nodes"], select={"level": "reco"}).double()
    view.fit(batch)
    assert View(**view.config()).config() == view.config()
    made, expected = view(batch), View(["pt", "d_eta"], events=["num_nodes"]).double()
    expected.load_state_dict(view.state_dict())
    expected = expected(SelectNodes(level="reco")(batch))
    for name in ("x", "p4", "u", "ptr", "batch", "edge_index"):
        assert torch.equal(made[name], expected[name]), name
    flags = torch.arange(14) % 3 == 0
    assert torch.equal(view(batch, {"pt": flags}).x[:, 0] == 0, flags[1::2])
    columns, mask = padded(batch)
    dense = view.dense(columns, mask)
    torch.testing.assert_close(dense.x[dense.mask], made.x)
    assert torch.equal(dense.u, made.u)


def test_means_and_scales_are_in_the_state_dict_and_follow_the_dtype():
    batch = events(torch.float32)
    view = View(["pt", "btag"], events=["rho"])
    view.fit(batch)
    assert float(view(batch).x.mean(0).abs().max()) < 1e-5
    assert float(view(batch).u.std()) == pytest.approx(1.0, abs=1e-5)
    stream = io.BytesIO()
    torch.save(view.state_dict(), stream)
    stream.seek(0)
    again = View(**view.config())
    again.load_state_dict(torch.load(stream, weights_only=True))
    assert torch.equal(again(batch).x, view(batch).x)
    double = copy.deepcopy(view).double()
    assert double(batch).x.dtype == double(batch).p4.dtype == double(batch).u.dtype == torch.float64


def test_a_view_travels_to_other_processes():
    view, batch = View.abasov(), events(torch.float32)
    view.fit(batch)
    assert torch.equal(pickle.loads(pickle.dumps(view))(batch).x, view(batch).x)
    assert torch.equal(copy.deepcopy(view)(batch).x, view(batch).x)


def test_published_constants_stay():
    view = View.omnilearn()
    before = view.mean.clone()
    view.fit(events(torch.float32))
    assert torch.equal(view.mean, before)
    assert float(view.event_mean[0]) == pytest.approx(618.22)
    assert View(**view.config()).config() == view.config()


def test_a_column_that_never_varies_keeps_its_scale():
    batch = events(torch.float32)
    batch.btag = torch.zeros(14)
    view = View(["btag"])
    view.fit(batch)
    assert view.scale.tolist() == [1.0]


@pytest.mark.parametrize(
    ("columns", "known"),
    [
        (["pt", "eta", "phi", "mass"], ()),
        (["log_pt", "eta", "sin_phi", "cos_phi", "log_mass"], ()),
        (PRESETS["kishimoto"].columns, ()),
        (PRESETS["abasov"].columns, ()),
        (["px", "py", "pz", "energy"], ()),
        (["d_eta", "d_phi", "log_pt", "mass"], ("total_eta", "total_phi")),
        (["outward_d_eta", "d_phi", "log_pt", "mass"], ("total_eta", "total_phi")),
    ],
)
def test_four_vectors_come_back(columns, known):
    batch = events()
    batch.p4[:, 3] = batch.p4[:, 3].clamp(min=0.01)
    view = View(columns, events=known).double()
    view.fit(batch)
    made = view(batch)
    assert view.determines_momentum
    torch.testing.assert_close(view.to_p4(made), batch.p4, rtol=1e-7, atol=1e-6)
    tables, mask = padded(batch)
    dense = view.to_p4(view.dense(tables, mask))
    torch.testing.assert_close(dense[mask], batch.p4, rtol=1e-7, atol=1e-6)


def test_jet_momenta_come_back_from_the_rest():
    generator = torch.Generator().manual_seed(0)
    batch = events(counts=(20, 12))
    batch.p4 = torch.rand(32, 4, generator=generator, dtype=torch.float64) * torch.tensor([50.0, 0.4, 0.4, 0.1])
    view = View(["d_eta", "d_phi", "log_rest_pt"], events=["total_pt", "total_eta", "total_phi"]).double()
    view.fit(batch)
    back = view.to_p4(view(batch), known={"mass": batch.p4[:, 3]})
    torch.testing.assert_close(back, batch.p4, rtol=1e-7, atol=1e-7)


def test_momenta_come_from_the_columns_that_are_said_to_count():
    batch = events(counts=(5, 1))
    view = View(["pt", "eta", "phi", "mass", "log_pt"], events=["total_pt", "num_nodes"]).double()
    view.fit(batch)
    made = view(batch)
    made.x = made.x.index_fill(1, torch.tensor([0]), 0.0)  # all have the mean momentum, the logarithm knows better
    assert torch.allclose(view.to_p4(made)[:, 0], batch.p4[:, 0].mean())
    back = view.to_p4(made, columns=["log_pt", "eta", "phi", "mass"])
    torch.testing.assert_close(back, batch.p4, rtol=1e-7, atol=1e-7)
    values = view.event_values(batch)
    torch.testing.assert_close(values, made.u * view.event_scale + view.event_mean)
    assert values[:, 1].tolist() == [5.0, 1.0]


def test_estimates_give_physical_momenta():
    view = View(["log_rest_pt", "eta", "phi", "mass"], events=["total_pt"]).double()
    made = view(events())
    made.x = torch.randn(14, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5
    p4 = view.to_p4(made)
    assert (p4[:, 0] >= 0).all()
    assert (p4[:, 3] >= 0).all()
    assert (p4[:, 2].abs() <= 3.1415928).all()


def test_what_does_not_determine_a_momentum_is_said():
    assert not View.ho().determines_momentum
    batch = events(torch.float32)
    with pytest.raises(ConfigError, match="do not determine a momentum: mass cannot be worked out"):
        View.ho().to_p4(View.ho()(batch))
    massless = View.ho().to_p4(View.ho()(batch), known={"mass": torch.zeros(14)})
    torch.testing.assert_close(massless[:, :3], batch.p4[:, :3])


def test_a_column_of_the_users_own_with_its_inverse(monkeypatch):
    from pyg_hep.inputs import columns, inverses

    monkeypatch.setattr(inverses, "_INVERSES", list(inverses._INVERSES))
    monkeypatch.setattr(columns, "NODE_COLUMNS", dict(NODE_COLUMNS))
    register_column("sqrt_pt", lambda raw: raw.p4[..., 0].sqrt(), inverses.Inverse("pt", ("sqrt_pt",), torch.square))
    register_column("pile_up", lambda raw: raw.spread(raw.of_event("rho")) * raw["d0"], momentum=False)
    batch = events()
    view = View(["sqrt_pt", "eta", "phi", "mass", "pile_up"]).double()
    monkeypatch.setitem(NODE_COLUMNS, "sqrt_pt", columns.NODE_COLUMNS["sqrt_pt"])
    torch.testing.assert_close(view.to_p4(view(batch)), batch.p4)
    torch.testing.assert_close(view(batch).x[:, 4], batch.rho[batch.batch] * batch.d0)
    made = view(batch, {"pile_up": torch.ones(14, dtype=torch.bool)})
    assert torch.equal(made.p4, batch.p4)
    assert not view(batch, {"sqrt_pt": torch.ones(14, dtype=torch.bool)}).p4.any()


def test_what_cannot_be():
    batch = events(torch.float32)
    for call, message in (
        (lambda: View("hoo"), "no published view 'hoo': did you mean 'ho'"),
        (lambda: View(["pt", "pt"]), "different columns"),
        (lambda: View([]), "different columns"),
        (lambda: View(["ptt"])(batch), "no column 'ptt', defined or stored: did you mean 'pt'"),
        (lambda: View(["pt"], events=["rhoo"])(batch), "no event column 'rhoo', defined or stored: did you mean 'rho'"),
        (lambda: View(["covariance"])(batch), r"holds \(3,\) numbers a row: name one of them, covariance\[0\]"),
        (lambda: View(["covariance[3]"])(batch), "there is no position 3"),
        (lambda: View(["pt"], events=["d0"])(batch), "'d0' is a column of objects"),
        (lambda: View(["pt"], ids=["d0"]), "needs the size of its table"),
        (lambda: View(["pt"], ids={"kind": 3})(batch), "its table has 0 to 2"),
        (lambda: View(["pt"])(batch, {"eta": torch.ones(14, dtype=torch.bool)}), "cannot hide 'eta'"),
        (lambda: View(["pt"], constants=[(0, 1), (0, 1)]), "need as many constants"),
        (lambda: register_column("pt", lambda raw: raw.p4[..., 0]), "the library's own"),
        (lambda: register_column("a b", lambda raw: raw.p4[..., 0]), "plain name"),
        (lambda: register_column("own", lambda raw: raw.p4[..., 0], per="jet"), "per='jet'"),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
    batch.d0[3] = float("nan")
    with pytest.raises(ConfigError, match="the column 'd0' has no finite mean"):
        View(["pt", "d0"]).fit(batch)


def test_raw_columns_name_what_is_missing():
    raw = RawColumns({"p4": torch.zeros(1, 4)}, torch.float32, torch.zeros(1, dtype=torch.int64), torch.tensor([1]))
    with pytest.raises(ConfigError, match="the events have no column 'kind': valid: p4"):
        raw["kind"]


def test_repr_names_the_columns():
    assert "pt, eta; events=rho; ids=kind" in repr(View(["pt", "eta"], events=["rho"], ids=["kind"]))


def test_event_variables_are_columns_of_an_event():
    batch = events(torch.float32, counts=(4, 0, 7, 2))
    view = View("ho_summary")
    values, table = view.event_values(batch), SummaryVariables().table(batch)
    assert view.events == SUMMARY
    assert view.channels.u == len(table) == 131
    assert values.isfinite().all()
    columns = dict(zip(view.events, values.unbind(1), strict=True))
    torch.testing.assert_close(columns["summary_ht"], table["ht"].log1p())
    torch.testing.assert_close(columns["summary_n_jet"], table["n_jet"])
    assert columns["summary_m_jj"][3] == 0  # two objects, of which one is no jet
    assert table["m_jj"][3].isnan()
    dense = view.dense(*padded(batch))
    torch.testing.assert_close(dense.u, view(batch).u)


@pytest.mark.parametrize("name", ["pt", "btag"])
def test_event_variables_leave_out_objects_of_which_anything_is_hidden(name):
    batch = events(torch.float32)
    view = View("ho_summary")
    view.fit(batch)
    flags = torch.zeros(batch.num_nodes, dtype=torch.bool)
    flags[[1, 6]] = True
    made = view(batch, {name: flags})
    changed = batch.clone()
    for column, value in (("p4", 3.0), ("btag", 1.0), ("kind", 1)):
        changed[column] = changed[column].clone()
        changed[column][flags] = value
    torch.testing.assert_close(view(changed, {name: flags}).u, made.u)
    assert not torch.equal(view(changed).u, made.u)
    others = View("ho_summary", select={"level": "reco"})
    others.load_state_dict(view.state_dict())
    changed.level = torch.where(flags, int(Level.GEN), changed.level)
    torch.testing.assert_close(others(changed).u, made.u)  # as if they were not there


def test_a_view_with_event_variables_says_that_it_cannot_be_exported(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    with pytest.raises(ConfigError, match="event variables .* cannot be exported"):
        View("ho_summary").dense(*padded(events(torch.float32)))
    assert View("ho_summary", events=["num_nodes"]).dense(*padded(events(torch.float32))).u.shape == (4, 1)
