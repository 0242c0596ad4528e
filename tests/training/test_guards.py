import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_hep.errors import ConfigError, TrainingError
from pyg_hep.training.guards import check_finite, check_splits


def events(n=5, bad=()):
    graphs = []
    for i in range(n):
        p4 = torch.ones(2, 4)
        if i in bad:
            p4[1, 0] = float("nan")
        graphs.append(
            Data(
                p4=p4,
                weight=torch.ones(1),
                run_number=torch.tensor([1]),
                luminosity_block=torch.tensor([2]),
                event_number=torch.tensor([100 + i]),
                num_nodes=2,
            )
        )
    return Batch.from_data_list(graphs)


def test_a_finite_loss_goes_on():
    check_finite(torch.tensor(1.0), events(), 0)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_another_names_step_epoch_and_events(value):
    with pytest.raises(
        TrainingError, match=f"the loss is {value} at step 37 .epoch 3., events 1:2:100, 1:2:101, 1:2:102 and 2"
    ):
        check_finite(torch.tensor(float(value)), events(), 37, 2)


def test_events_with_numbers_that_are_not_finite_are_named_with_their_column():
    with pytest.raises(TrainingError, match=r"event with p4 that is not finite 1:2:103$"):
        check_finite(torch.tensor(float("nan")), events(bad=(3,)), 0)


def test_training_and_validation_events_have_the_same_classes(splits):
    class Other:
        class_names = ["b", "a"]

    check_splits(splits[0], splits[1])
    check_splits(splits[0], None)
    with pytest.raises(ConfigError, match=r"training events have the classes 0, 1, validation events b, a"):
        check_splits(splits[0], Other())
