"""What the tests of this library are made of, for third parties to inherit; not needed at run time."""

from pyg_hep.testing.backbones import (
    BackboneTests,
    assert_batch_equals_single,
    assert_events_independent,
    assert_layouts_agree,
    assert_permutation_invariant,
    assert_stages_cover,
)
from pyg_hep.testing.events import random_events, with_features
from pyg_hep.testing.inputs import padded, random_inputs, with_edges
from pyg_hep.testing.jets import random_jets
from pyg_hep.testing.objectives import ObjectiveTests

__all__ = [
    "BackboneTests",
    "ObjectiveTests",
    "assert_batch_equals_single",
    "assert_events_independent",
    "assert_layouts_agree",
    "assert_permutation_invariant",
    "assert_stages_cover",
    "padded",
    "random_events",
    "random_inputs",
    "random_jets",
    "with_edges",
    "with_features",
]
