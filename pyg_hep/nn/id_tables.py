"""``IdTables``: integer columns of objects as learned vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyg_hep.errors import ConfigError

ID_WIDTH = 8
"""Width of tables that stand beside the columns of objects, where these are not embedded themselves."""


class IdTables(nn.Module):
    r"""The sum of one row of a table for each integer column.

    .. math:: e_i = \textstyle\sum_k T_k[n_{ik}]

    Args:
        sizes: rows of each table.
        channels: width.

    Raises:
        ConfigError: for a table without rows.
    """

    def __init__(self, sizes: Sequence[int], channels: int):
        super().__init__()
        if any(size < 1 for size in sizes):
            raise ConfigError(f"every table of ids needs at least 1 row, found sizes {list(sizes)}")
        self.sizes = tuple(sizes)
        self.tables = nn.ModuleList(nn.Embedding(size, channels) for size in sizes)

    def reset_parameters(self) -> None:
        """Draw the rows anew, of order 1 like the embedding beside them."""
        for table in self.tables:
            table.reset_parameters()  # type: ignore[operator]

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors ``[..., D]`` of integers ``[..., K]``.

        Raises:
            ConfigError: for an integer that its table has no row for (looked at on the host only).
        """
        columns = ids.unbind(-1)
        if ids.device.type == "cpu" and ids.numel() and not torch.compiler.is_compiling():
            for k, (size, column) in enumerate(zip(self.sizes, columns, strict=True)):
                low, high = int(column.min()), int(column.max())
                if low < 0 or high >= size:
                    raise ConfigError(
                        f"ids[..., {k}] has numbers from {low} to {high}, its table the rows 0 to {size - 1}"
                    )
        return torch.stack([table(column) for table, column in zip(self.tables, columns, strict=True)]).sum(0)

    def beside(self, x: Tensor, ids: Tensor) -> Tensor:
        """Columns of objects ``[..., F]`` with the vectors of their integers beside them, ``[..., F + D]``."""
        return torch.cat([x, self(ids)], dim=-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.sizes)})"
