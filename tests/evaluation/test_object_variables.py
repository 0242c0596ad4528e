import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import ObjectVariables
from pyg_hep.schema import ObjectType
from pyg_hep.testing import random_events

COLUMNS = ("pt", "eta", "charge", "is_muon")


def test_agrees_with_a_loop_over_events():
    variables = ObjectVariables(COLUMNS)
    batch = random_events(num_events=100, seed=1)
    table = variables(batch)
    assert table.shape == (100, len(variables.names))
    assert table.dtype == np.float32
    leptons = (ObjectType.ELECTRON, ObjectType.MUON, ObjectType.TAU)
    for row, event in zip(table, batch.to_data_list(), strict=True):
        found = dict(zip(variables.names, row, strict=True))
        jet = event.kind == ObjectType.JET
        groups = {
            "b_jet": jet & (event.btag > 0), "light_jet": jet & (event.btag <= 0),
            "lepton": torch.isin(event.kind, torch.tensor(leptons)),
            "photon": event.kind == ObjectType.PHOTON, "met": event.kind == ObjectType.MET,
        }  # fmt: skip
        for name, mask in groups.items():
            order = sorted(torch.nonzero(mask)[:, 0].tolist(), key=lambda k: -float(event.p4[k, 0]))
            for place in range(variables.at_most[name]):
                values = [found[f"{name}{place + 1}_{column}"] for column in COLUMNS]
                if place < len(order):
                    k = order[place]
                    expected = [*event.p4[k, :2].tolist(), float(event.charge[k]), event.kind[k] == ObjectType.MUON]
                    assert values == pytest.approx([float(e) for e in expected])
                else:
                    assert np.isnan(values).all()


def test_knows_neither_the_order_of_objects_nor_what_is_beyond_the_last():
    batch = random_events(num_events=50, seed=4)
    few = ObjectVariables("abasov", {"light_jet": 2})
    assert sum(name.startswith("light_jet") for name in few.names) == 2 * 13
    turned = []
    for data in batch.to_data_list():
        order = torch.arange(data.num_nodes).flip(0)
        for name in ("p4", "kind", "charge", "btag", "level"):
            data[name] = data[name][order]
        turned.append(data)
    np.testing.assert_array_equal(few(Batch.from_data_list(turned)), few(batch))


def test_unknown_names_are_one_sentence():
    with pytest.raises(ConfigError, match="no group of objects 'bjet': did you mean 'b_jet'"):
        ObjectVariables("abasov", {"bjet": 3})
    with pytest.raises(ConfigError, match="no column 'ptt', defined or stored: did you mean 'pt'"):
        ObjectVariables(["ptt"])(random_events((3,)))
