"""``reconstruct_tops``: one call for every method that makes top pairs of dileptonic events."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from pyg_hep.analysis.tops.ellipse_method import EllipseMethod
from pyg_hep.analysis.tops.events import DileptonEvents
from pyg_hep.analysis.tops.neutrino_weighting import NeutrinoWeighting
from pyg_hep.analysis.tops.result import TopPairs
from pyg_hep.analysis.tops.smearing import SmearedEllipse
from pyg_hep.analysis.tops.visible_mass import VisibleMass
from pyg_hep.errors import ConfigError, PygHepError, nearest


@runtime_checkable
class TopMethod(Protocol):
    """A way to reconstruct top pairs: called with events, it returns as many pairs in the same order.

    Events that cannot be used (``events.usable``) hold NaN somewhere and get no tops. ``events.source`` has the event
    graphs that the events are of, for networks; it is None where events were given as arrays.
    :meth:`TopPairs.from_daughters` and :meth:`TopPairs.from_neutrinos` make the result of what a method predicts.
    """

    def __call__(self, events: DileptonEvents) -> TopPairs:
        """Top pairs of the events."""


def network(
    model: Any,
    batch_size: int | None = None,
    device: Any = None,
    samples: int | None = None,
    estimate: str | None = None,
    seed: int | None = None,
) -> TopMethod:
    """The method that fits what a model was trained for: one estimate of the daughters, or their distribution.

    See :class:`~pyg_hep.analysis.tops.network.NetworkMethod` and
    :class:`~pyg_hep.analysis.tops.flow_method.FlowMethod`; None takes their defaults.

    Raises:
        ConfigError: for a model that is neither, and options of a distribution for one that has none.
    """
    from pyg_hep.analysis.tops.flow_method import FlowMethod  # with Lightning, which takes two seconds to load
    from pyg_hep.analysis.tops.network import NetworkMethod
    from pyg_hep.objectives import TopFlow
    from pyg_hep.training import EventModel

    model = model if isinstance(model, EventModel) else EventModel.from_pretrained(model)
    options = {"batch_size": batch_size, "device": device}
    of_samples = {"samples": samples, "estimate": estimate, "seed": seed}
    if isinstance(model.objective, TopFlow):
        options |= of_samples
    elif any(value is not None for value in of_samples.values()):
        name = next(name for name, value in of_samples.items() if value is not None)
        raise ConfigError(
            f"{name}= is an option of models that predict a distribution (TopFlow), this one has "
            f"{type(model.objective).__name__}"
        )
    method = FlowMethod if isinstance(model.objective, TopFlow) else NetworkMethod
    return method(model, **{name: value for name, value in options.items() if value is not None})


METHODS: dict[str, Callable[..., TopMethod]] = {
    "ellipse": EllipseMethod,
    "smeared_ellipse": SmearedEllipse,
    "neutrino_weighting": NeutrinoWeighting,
    "visible_mass": VisibleMass,
    "network": network,
}
"""Methods by name; each is made with the options given to :func:`reconstruct_tops`."""


def reconstruct_tops(
    events: Any,
    method: str | TopMethod = "smeared_ellipse",
    *,
    fallback: str | TopMethod | None = None,
    **options: Any,
) -> TopPairs:
    """Tops and antitops of dileptonic events.

    Args:
        events: an ``EventDataset``, a ``Subset`` or ``ConcatDataset`` of such, a PyG ``Batch`` of event graphs, or
            :class:`~pyg_hep.analysis.tops.DileptonEvents`. How leptons and jets of graphs are chosen is said in
            :meth:`DileptonEvents.from_graphs`.
        method: a name (``"ellipse"``, ``"smeared_ellipse"``, ``"neutrino_weighting"``, ``"visible_mass"``, and
            ``"network"`` with ``model=``, of either kind), or any :class:`TopMethod`, such as a fitted
            :class:`VisibleMass`.
        fallback: the same, for events that can be used but have no solution; they are marked.
        options: of the method, where it is named: ``copies=100``.

    Returns:
        As many top pairs as events, in their order. An event without tops has ``valid`` false, NaN and a reason:
        ``pairs.reasons`` counts them.

    Raises:
        ConfigError: for an unknown method or option; names the nearest.
        PygHepError: for a method that does not return one top pair per event.
    """
    chosen = _method(method, options)
    reserve = None if fallback is None else _method(fallback, {})
    if not isinstance(events, DileptonEvents):
        events = DileptonEvents.from_graphs(events)
    pairs = _checked(chosen, events)
    return pairs if reserve is None else pairs.or_else(_checked(reserve, events))


def _method(method: str | TopMethod, options: dict[str, Any]) -> TopMethod:
    if not isinstance(method, str):
        if options:
            raise ConfigError(f"options are those of a method by name: {method!r} has its own, got {sorted(options)}")
        if not callable(method):
            raise ConfigError(f"a method is a name or can be called with events, got {method!r}")
        return method
    if method not in METHODS:
        raise ConfigError(f"no method {method!r} to reconstruct tops, {nearest(method, METHODS)}")
    valid = inspect.signature(METHODS[method]).parameters
    for name in options:
        if name not in valid:
            raise ConfigError(f"the method {method!r} has no option {name!r}, {nearest(name, valid)}")
    missing = [n for n, option in valid.items() if option.default is option.empty and n not in options]
    if missing:
        raise ConfigError(f"the method {method!r} needs the option {missing[0]!r}")
    return METHODS[method](**options)


def _checked(method: TopMethod, events: DileptonEvents) -> TopPairs:
    pairs = method(events)
    if not isinstance(pairs, TopPairs) or len(pairs) != len(events):
        found = f"{len(pairs)} pairs" if isinstance(pairs, TopPairs) else type(pairs).__name__
        raise PygHepError(f"{method!r} was given {len(events)} events and returned {found}, not as many TopPairs")
    return pairs
