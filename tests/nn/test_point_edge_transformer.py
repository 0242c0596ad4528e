from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import GenerationHead, PointEdgeTransformer
from pyg_hep.nn.layout import Complete
from pyg_hep.objectives import Classification
from pyg_hep.testing import padded, random_events, random_inputs
from pyg_hep.testing.backbones import (
    BackboneTests,
    assert_close,
    assert_layouts_agree,
    outputs_and_gradients,
    single_event,
)
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, finetune, pretrain


def small(in_channels=7, **kwargs) -> PointEdgeTransformer:
    sizes = {"hidden_channels": 8, "num_layers": 2, "heads": 2, "neighbours": 3, "layer_scale": 0.5}
    return PointEdgeTransformer(in_channels, **{**sizes, **kwargs})


def jets(counts, seed=0, dtype=torch.float64):
    """Events as collimated as jets, around an axis that lies at phi = pi."""
    batch = random_events(counts, seed=seed, dtype=dtype)
    batch.p4[:, 1:3] *= 0.1
    batch.p4[:, 2] = torch.remainder(batch.p4[:, 2], 2 * math.pi) - math.pi
    return batch


class TestPointEdgeTransformer(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(event_channels=2, id_channels=(4, 6))


class TestBodyAlone(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(class_layers=0, layer_scale=1e-5)


class TestWithoutEdgeConvolutions(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(local_layers=0, layer_scale=None, event_channels=2)


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_omnilearn_has_the_published_parameters_part_by_part():
    # Counted in the code published with arXiv:2502.14652, layer by layer.
    with torch.device("meta"):
        model = PointEdgeTransformer.omnilearn()
        generation = GenerationHead(128, 13, event_channels=4, num_classes=10)
        heads = model.make_head("graph", 10), model.make_head("graph", 4)
        body = PointEdgeTransformer.omnilearn(class_layers=0, event_channels=0)
    parts = {
        "embedding": parameters(model.inner, model.outer),
        "time": parameters(model.time, model.time_modulation),
        "edge convolutions": parameters(model.local),
        "transformer": parameters(model.layers),
    }
    assert list(parts.values()) == [36_480, 81_920, 138_496, 1_061_888]
    assert not any(
        "bias" in name for part in (model.time, model.time_modulation) for name, _ in part.named_parameters()
    )
    assert parameters(body) == sum(parts.values()) == 1_318_784
    # The class node's own vector is the only difference: the published code does not train it.
    assert parameters(model.class_pooling, *heads) - model.class_pooling.node.vector.numel() == 269_326
    assert parameters(generation) == 417_165
    assert parameters(model, generation, *heads) == pytest.approx(2_005_275, rel=0.02)
    assert model.config()["neighbours"] == 10
    stages = model.stages()
    assert list(stages) == ["encoder", *(f"layers.{k}" for k in range(8)), "decoder"]
    assert "decoder" not in body.stages()


def test_omnilearn_reads_its_view():
    torch.manual_seed(0)
    model = PointEdgeTransformer.omnilearn(hidden_channels=8, num_layers=1, heads=2, layer_scale=0.5).double().eval()
    view = View(model.preset).double()
    assert (model.in_channels, model.event_channels) == view.channels[:2]
    batch = jets((6, 1, 12))
    batch.time = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    out = model(view(batch))
    assert bool(out.graph.isfinite().all())
    assert_layouts_agree(model, view(batch))


def test_time_zero_is_no_time():
    torch.manual_seed(0)
    model, batch = small(), random_inputs((4, 1, 6), seed=1)
    without = model(batch)
    batch.time = torch.zeros(3)
    zero = model(batch)
    assert torch.equal(zero.nodes, without.nodes)
    assert torch.equal(zero.graph, without.graph)
    batch.time = torch.tensor([0.0, 0.7, 0.0])
    noised = model(batch)
    assert torch.equal(noised.graph[::2], without.graph[::2])
    assert not torch.allclose(noised.graph[1], without.graph[1])
    batch.time = torch.zeros(3, 1)
    with pytest.raises(ConfigError, match=r"'time' has shape \(3, 1\), expected \(3,\)"):
        model(batch)


def by_hand(model, x, p4):
    """What each object of one event hears of its neighbours, object by object, neighbour by neighbour."""
    n = len(x)
    for number, conv in enumerate(model.local):
        rows = []
        for i in range(n):
            apart = []
            for j in range(n):
                if number:
                    distance = float((x[i] - x[j]).norm())
                else:
                    d_phi = float(p4[i, 2] - p4[j, 2])
                    d_phi = min(abs(d_phi + turn) for turn in (-2 * math.pi, 0.0, 2 * math.pi))
                    distance = math.hypot(float(p4[i, 1] - p4[j, 1]), d_phi)
                apart.append((distance, j))
            near = [j for _, j in sorted(apart) if j != i][: model.neighbours]
            messages = [conv.outer(nn.functional.gelu(conv.inner(torch.cat([x[j] - x[i], x[i]])))) for j in near]
            zero = torch.zeros(model.hidden_channels, dtype=x.dtype)
            rows.append(sum((nn.functional.gelu(m) for m in messages), zero) / max(len(near), 1))
        x = torch.stack(rows).detach()
    return x


def test_what_objects_hear_is_the_mean_over_the_nearest_found_one_by_one():
    torch.manual_seed(0)
    model = small().double()
    batch = View("ho").double()(jets((9, 1, 3, 5), seed=2))
    phi = batch.p4[:9, 2]
    assert bool((phi > 3).any() and (phi < -3).any())  # across phi = pi
    layout = Complete.of_counts(batch.ptr.diff())
    heard = model._heard(batch.x, batch.p4[:, 1:3], layout)
    for start, end in zip(batch.ptr[:-1].tolist(), batch.ptr[1:].tolist(), strict=True):
        expected = by_hand(model, batch.x[start:end], batch.p4[start:end])
        torch.testing.assert_close(heard[start:end], expected)
    assert not heard[9].any()  # alone in its event


def test_neighbours_come_from_the_four_vectors_and_not_from_edges():
    torch.manual_seed(0)
    model, batch = small().double(), random_inputs((8, 5), seed=1, dtype=torch.float64)
    before = model(batch).nodes
    moved = batch.clone()
    moved.p4[0, 1] += 5.0
    assert not torch.allclose(model(moved).nodes[:8], before[:8])
    assert_close(model(moved).nodes[8:], before[8:], "the other event")


@pytest.mark.parametrize("counts", [(1,), (1, 1, 2), (300, 1), (0, 4, 0)])
def test_jets_of_one_particle_and_of_300(counts):
    torch.manual_seed(0)
    model, batch = small(event_channels=2), random_inputs(counts, 7, 2, seed=1, time=True)
    out = model(batch)
    assert bool(out.nodes.isfinite().all() and out.graph.isfinite().all())
    form = model(padded(batch))
    assert_close(form.graph, out.graph, "padded")
    alone = model(single_event(batch, len(counts) - 1))
    assert_close(out.graph[-1:], alone.graph, "the last one alone")


def test_particles_without_energy_and_at_one_place():
    torch.manual_seed(0)
    model = PointEdgeTransformer.omnilearn(hidden_channels=8, num_layers=1, heads=2, layer_scale=0.5).double()
    batch = jets((6, 2, 1))
    batch.p4[[1, 4, 5, 7]] = 0.0  # three at one place, among k = 10 all of them are neighbours anyway
    input = View("omnilearn").double()(batch)
    found = outputs_and_gradients(model, input)
    assert all(bool(value.isfinite().all()) for value in found.values())
    assert_layouts_agree(model, input)
    batch.p4[:] = 0.0  # jets of nothing but such particles
    assert all(
        bool(v.isfinite().all()) for v in outputs_and_gradients(model, View("omnilearn").double()(batch)).values()
    )


def test_all_parameters_get_a_gradient_and_runs_repeat():
    torch.manual_seed(0)
    model = small(event_channels=2, id_channels=(4,))
    batch = random_inputs((6, 9, 1), 7, 2, (4,), seed=1, time=True)
    one, two = outputs_and_gradients(model, batch), outputs_and_gradients(model, batch)
    assert {f"gradient of {name}" for name, _ in model.named_parameters()} <= set(one)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(bool(one[f"gradient of {name}"].any()) for name, _ in model.named_parameters())


def test_pretraining_and_finetuning_with_a_new_class_node(tmp_path):
    files = []
    for i, factor in enumerate((1.0, 20.0)):
        branches = random_nanoaod(150, seed=i)
        branches["MET_pt"] = branches["MET_pt"] * factor
        files.append(write_nanoaod(tmp_path / f"{i}.root", branches))
    train, val = (EventDataset(tmp_path, "simulated_events", files, split=s) for s in ("train", "val"))
    torch.manual_seed(0)
    view = View("ho", events=("num_nodes",))
    model = EventModel(small(event_channels=1), Classification(2), view)
    settings = TrainingSettings(epochs=2, batch_size=64, accelerator="cpu", progress=False)
    result = pretrain(model, train, val, output=tmp_path / "first", settings=settings)
    assert len(result.history) == 2
    before = {name: value.clone() for name, value in result.model.backbone.state_dict().items()}
    body = [name for name in result.model.backbone.stages() if name != "decoder"]
    again = finetune(
        result.model, Classification(2), train, val, output=tmp_path / "second", reset=["decoder"],
        settings=settings, optimisation=Optimisation(frozen=body),
    ).model.backbone.state_dict()  # fmt: skip
    new = {name for name, value in again.items() if not torch.equal(value, before[name])}
    assert new
    assert all(name.startswith("class_pooling.") for name in new)
    assert "class_pooling.node.vector" in new


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"neighbours": 0}, "neighbours must be at least 1, found 0"),
        ({"num_layers": 0}, "num_layers must be at least 1"),
        ({"local_layers": -1}, "local_layers must be at least 0"),
        ({"heads": 3}, "3 heads do not divide a width of 8"),
        ({"class_layers": 0, "event_channels": 2}, "event columns go to the class node"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(ConfigError, match=message):
        small(**arguments)


def test_repr():
    assert repr(small()) == "PointEdgeTransformer(7, 8, num_layers=2, heads=2, neighbours=3)"
