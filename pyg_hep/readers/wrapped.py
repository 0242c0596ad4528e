"""What sources have in common that show another one in a different way: grouped, joined, with columns added."""

from __future__ import annotations

from pyg_hep.readers.source import Source


class WrappedSource(Source):
    """A source on top of another one, which it closes.

    Args:
        inner: the source below.
    """

    def __init__(self, inner: Source):
        super().__init__(inner.path)
        self.inner = inner
        self.branches = inner.branches
        self.identity = inner.identity
        if hasattr(inner, "tree_name"):
            self.tree_name = inner.tree_name

    def close(self) -> None:
        """Close the source below."""
        self.inner.close()

    def sum_of_generator_weights(self) -> float | None:
        """That of the source below."""
        return self.inner.sum_of_generator_weights()
