import copy
import enum
import functools
import os
import struct
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.transforms import Compose, KNNGraph

from pyg_hep.errors import ConfigError
from pyg_hep.identity import callable_digest, code_digest
from pyg_hep.inputs import View
from pyg_hep.testing.events import random_events
from pyg_hep.transforms import CompleteGraph, LorentzAugment, SelectNodes


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    """Digest of ``f`` of a module of the user's with some text, and of its helper module with another."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def digest(text, helper=""):
        for name, content in (("mine", text), ("mine_helper", helper)):
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(content))
            sys.modules.pop(name, None)
        return callable_digest(__import__("mine").f)

    yield digest
    for name in ("mine", "mine_helper"):
        sys.modules.pop(name, None)


LINEAR = "import torch\nf = torch.nn.Linear(1, 1).requires_grad_(False)\nf.weight[:] = 1\nf.bias[:] = 0"
CALLED = "class F({base}):\n    cut = 1\n    def __call__(self, d): return self.go(d) > self.cut\nf = F()"
WITH_METHOD = CALLED.format(base="") + "\nF.go = lambda self, d: d"
WITH_BASE = "class B:\n    def go(self, d): return d\n" + CALLED.format(base="B")
SLOTS = """
class F:
    __slots__ = ("n",)
    def __init__(self, n): self.n = n
    @staticmethod
    def one(d): return d
    @property
    def two(self): return 2
    def go(self, d): return self.one(d) + self.two
f = F(1).go
"""


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("f = lambda d: d.btag.sum() > 0", "btag", "charge"),
        ("f = lambda d: d.x > 0", "0", "1"),
        ("f = lambda d: d.x > 0", "0", "0.0"),
        ("f = lambda d: d.x > 0.0", "0.0", "-0.0"),
        ("f = lambda d, most=3: d < most", "3", "4"),
        ("f = lambda d, *, most=3: d < most", "3", "4"),
        ("CUT = 1\ndef f(d): return d > CUT", "1", "2"),
        ("def h(d): return +d\ndef f(d): return h(d)", "+", "-"),
        ("def h(d): return +d\ndef f(d): return [h(x) for x in d]", "+", "-"),
        ("def g(n): return lambda d: d > n\nf = g(1)", "1", "2"),
        ("def f(d):\n    def g(): return 1\n    return g()", "1", "2"),
        ("def f(d): return d in {1, 2}", "2", "3"),
        ("def f(d): return f.cut > d\nf.cut = 1", "1", "2"),
        ("T = [lambda d: +d, lambda d: -d]\nf = lambda d: [g(d) for g in T]", "+d, lambda d: -d", "-d, lambda d: +d"),
        (LINEAR, "1\nf", "2\nf"),
        (WITH_METHOD, "d: d", "d: -d"),
        (WITH_METHOD, "cut = 1", "cut = 2"),
        (WITH_BASE, "return d", "return -d"),
        (SLOTS, "F(1)", "F(2)"),
        (SLOTS, "return d", "return -d"),
        (SLOTS, "return 2", "return 3"),
        ("import functools\ndef h(n, d): return d\nf = functools.partial(h, 1)", "1", "2"),
        ("import functools\n@functools.cache\ndef f(d): return +d", "+", "-"),
        ("import torch\n@torch.no_grad()\ndef f(d): return +d", "+", "-"),
        ("import torch\nf = torch.sum", "sum", "mean"),
    ],
)
def test_what_computes_something_else_has_another_digest(digest_of, text, old, new):
    first = digest_of(text)
    assert digest_of(text) == first
    assert text.replace(old, new) != text
    assert digest_of(text.replace(old, new)) != first


@pytest.mark.parametrize(
    "text",
    [
        "from mine_helper import h\ndef f(d): return h(d)",
        "import mine_helper\ndef f(d): return mine_helper.h(d)",
        "import mine_helper as m\ndef f(d): return list(map(m.h, d))",
        "def f(d):\n    from mine_helper import h\n    return h(d)",
        "def f(d):\n    import mine_helper\n    return mine_helper.h(d)",
        "import mine_helper\nclass F(mine_helper.B):\n    pass\nf = F()",
    ],
)
def test_a_changed_helper_of_another_module_changes_the_digest(digest_of, text):
    helper = "N = 1\ndef h(d): return d + N\nclass B:\n    def __call__(self, d): return h(d)"
    first = digest_of(text, helper)
    assert digest_of(text, helper) == first
    assert digest_of(text, helper.replace("N = 1", "N = 2")) != first
    assert digest_of(text, helper.replace("d + N", "d - N")) != first


def test_comments_and_places_do_not_change_the_digest(digest_of):
    first = digest_of("def h(d): return d\ndef f(d): return h(d)\n")
    assert digest_of("# why\nUNUSED = 3\n\ndef h(d):\n    return d  # what\n\n\ndef f(d):\n    return h(d)\n") == first


def test_functions_that_call_each_other_and_objects_that_hold_themselves_have_one(digest_of):
    text = """
        def f(n): return g(n - 1) if n else 0
        def g(n): return f(n - {}) if n else 0
    """
    assert digest_of(text.format(1)) != digest_of(text.format(2))
    text = """
        class F:
            def __init__(self): self.me, self.n = self, {}
            def __call__(self, d): return super().__hash__()
        f = F()
    """
    assert digest_of(text.format(1)) != digest_of(text.format(2))
    assert digest_of(text.format(1)) == digest_of(text.format(1))


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Cut:
    at: object = 1

    def __call__(self, d):
        return d > self.at


VALUES = [
    None, 1, 1.0, True, "1", b"1", float("nan"), float("inf"), [1], (1,), {1}, {"a": 1}, {"a": 2}, [1, 2], {1, 2},
    Path("a"), Path("b"), Colour.RED, Colour.BLUE, Cut(1), Cut(2), slice(1), range(3), np.float32(1), np.float64(1),
    np.arange(3), np.arange(3.0), np.arange(3).reshape(3, 1), np.array(["a", None]), np.array(["a", 1], dtype=object),
    torch.arange(3), torch.arange(3.0), torch.arange(3).bfloat16(), torch.arange(3).reshape(1, 3), torch.tensor(1),
    torch.empty(0), torch.nn.Parameter(torch.arange(3.0)), torch.float32, torch.float64, torch.device("cpu"),
    torch.sum, torch.mean, np.sum, np.add, len, str.upper, "a".join, "b".join, functools.partial(len),
    Compose([KNNGraph(3)]), Compose([KNNGraph(4)]), Compose([View(["pt"])]), Compose([View(["eta"])]),
    LorentzAugment(), CompleteGraph(), SelectNodes(level=0), SelectNodes(level=1), lambda: Colour.RED, lambda: 1,
    struct.Struct(">i"), struct.Struct(">q"),
]  # fmt: skip


def test_values_of_every_kind_are_told_apart_by_content():
    assert len({callable_digest(Cut(value)) for value in VALUES}) == len(VALUES)
    assert callable_digest(Cut(torch.arange(6)[::2])) == callable_digest(Cut(torch.tensor([0, 2, 4])))


def test_module_of_a_trained_network_is_told_by_buffers_mode_and_attributes():
    def made(**changes):
        module = torch.nn.BatchNorm1d(2)
        for name, value in changes.items():
            setattr(module, name, value)
        return callable_digest(module)

    digests = {made(), made(running_mean=torch.ones(2)), made(eps=1.0), made(training=False)}
    assert len(digests) == 4
    assert made() in digests


PROCESS = """
import torch
from pyg_hep.identity import callable_digest, code_digest
from pyg_hep.inputs import View
from pyg_hep.transforms import LorentzAugment
from torch_geometric.transforms import Compose

NAMES = {"pt", "eta", "phi", "mass", "charge"}

class Filter:
    def __init__(self):
        self.kinds = {"a", "b", "c", 4, None}
    def __call__(self, data):
        return len(NAMES & {"x", "y", "pt"}) > 0

print(callable_digest(Compose([View(["pt"]), LorentzAugment(), Filter(), lambda d: torch.sum(d.x) in {"a", "b"}])))
print(code_digest(rooms=["nn", "loader"]))
"""


def test_another_process_gives_the_same_digests(tmp_path):
    (tmp_path / "script.py").write_text(PROCESS)
    outputs = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        call = [sys.executable, str(tmp_path / "script.py")]
        outputs.append(subprocess.run(call, capture_output=True, text=True, env=environment, timeout=300, check=True))
    first, second = (output.stdout.split() for output in outputs)
    assert first == second
    assert len(first) == 2


@pytest.mark.parametrize("transform", [View(["pt"]), View.ho(), CompleteGraph(), SelectNodes(level=0)])
def test_use_leaves_the_digest_as_it_is(transform):
    before = callable_digest(transform)
    transform(random_events(num_events=5, seed=1))
    assert callable_digest(transform) == before


def test_a_copy_leaves_the_digest_as_it_is():
    """Python notes the slots of a class in the class, when one of its objects is copied or pickled first."""

    class Threshold:
        def __init__(self, at):
            self.at = at

        def __call__(self, data):
            return data.pt > self.at

    cut = Threshold(3)
    before = callable_digest(cut)
    copy.copy(cut)
    assert "__slotnames__" in vars(Threshold)
    assert callable_digest(cut) == before


LOCK = threading.Lock()


def locked(data):
    with LOCK:
        return data


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (locked, "locked cannot be identified.*global 'LOCK' of locked.* is _thread.lock, which cannot be hashed"),
        (Cut(threading.Lock()), "Cut cannot be identified.*attribute 'at' of Cut is _thread.lock"),
        (Cut([1, threading.Lock()]), "entry 1 of attribute 'at' of Cut is _thread.lock"),
        (Cut(x for x in [1]), "attribute 'at' of Cut is builtins.generator"),
        (Cut(sys.stdout.buffer), "attribute 'at' of Cut is "),
        (Cut(torch.empty(2, device="meta")), "attribute 'at' of Cut is torch.Tensor"),
    ],
)
def test_what_cannot_be_hashed_is_named_in_one_sentence(value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        callable_digest(value)
    assert "\n" not in str(caught.value)


def test_too_deep_a_nesting_is_said():
    value = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(ConfigError, match="Cut cannot be identified: what it refers to is nested too deeply"):
        callable_digest(Cut(value))


def test_code_of_rooms_and_modules():
    assert code_digest(["pyg_hep.loader"]) == code_digest(rooms=["loader"])
    assert len({code_digest(rooms=[room]) for room in ("loader", "nn", "objectives")}) == 3
    assert code_digest() == code_digest(sorted(n for n in sys.modules if n.partition(".")[0] == "pyg_hep"))
    assert code_digest(["torch", "json"]) != code_digest(["torch"])
    with pytest.raises(ConfigError, match="'lodaer' is no room"):
        code_digest(rooms=["lodaer"])
    with pytest.raises(ConfigError, match="pyg_hep.nothing"):
        code_digest(["pyg_hep.nothing"])
