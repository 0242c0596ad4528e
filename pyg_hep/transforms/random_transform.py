"""``RandomTransform``: a PyG transform whose random numbers come from a generator where one is given."""

from __future__ import annotations

import abc
import copy

import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform


class RandomTransform(BaseTransform):
    """Called as ``transform(data)`` like any transform of PyG, or as ``transform(data, generator)``.

    The generator must live on the device of the data; None takes torch's global one.
    """

    def __call__(self, data: Data, generator: torch.Generator | None = None) -> Data:
        """A changed shallow copy: tensors are replaced, never written into."""
        return self.forward(copy.copy(data), generator)

    @abc.abstractmethod
    def forward(self, data: Data, generator: torch.Generator | None = None) -> Data:
        """Change ``data``."""
