from types import SimpleNamespace

import numpy as np

from pyg_hep.readers.labels import COMPUTED, ho_multilabel


def particles(event, pt=(), eta=(), phi=()):
    columns = {"pt": np.array(pt, float), "eta": np.array(eta, float), "phi": np.array(phi, float)}
    return SimpleNamespace(event=np.array(event, int), columns=columns)


def test_ho_labels_are_41_counts_presences_and_bins():
    truth = {
        "higgs": particles([1], [250], [-2], [0.1]),
        "top": particles([0, 1, 1], [10, 300.5, 40], [0.5, -0.1, 3], [-3, 1, 2]),
        "w": particles([0, 1, 1]),
        "z": particles([0]),
    }
    labels = ho_multilabel(truth, 3)
    names = COMPUTED["ho_multilabel"].names
    assert labels.shape == (3, 41)
    assert len(set(names)) == 41

    def true(event):
        return {name for name, value in zip(names, labels[event], strict=True) if value}

    assert labels[:, :5].tolist() == [[0, 1, 2, 1, 1], [1, 2, 2, 2, 0], [0, 0, 0, 0, 0]]
    assert true(0) - set(names[:5]) == {"has_leading_top", "leading_top_pt_0", "leading_top_eta_2", "leading_top_phi_0"}
    assert true(1) - set(names[:5]) == {
        *("has_higgs", "higgs_pt_2", "higgs_eta_0", "higgs_phi_2"),
        *("has_leading_top", "leading_top_pt_2", "leading_top_eta_1", "leading_top_phi_2"),
        *("has_subleading_top", "subleading_top_pt_1", "subleading_top_eta_3", "subleading_top_phi_3"),
    }
    assert true(2) == set()
