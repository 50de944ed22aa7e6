"""One training in several processes: whose share of a batch is whose, and sums over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: Numbers that are summed over the processes in one message.
MESSAGE = 2**25


@dataclass(frozen=True)
class Processes:
    """The place of this process among those that train together.

    They compute one training: each takes its share of every batch, the gradients are summed, and
    all of them make the same step. Only the first one writes.

    Parameters
    ----------
    rank : int
        From 0.
    count : int
        How many there are; with more than one, torch's process group has been set up.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """True in the process that writes logs, checkpoints and results."""
        return self.rank == 0

    def share(self, n_items: int) -> slice:
        """Return our part of a batch; empty for some where there are fewer items than processes."""
        return slice(self.rank * n_items // self.count, (self.rank + 1) * n_items // self.count)

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, in few large messages."""
        if self.count == 1:
            return
        import torch

        with torch.no_grad():
            for together in _messages(tensors):
                flat = torch.cat([tensor.reshape(-1) for tensor in together])
                torch.distributed.all_reduce(flat)
                parts = flat.split([tensor.numel() for tensor in together])
                for tensor, part in zip(together, parts, strict=True):
                    tensor.copy_(part.view_as(tensor))


def _messages(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return the tensors, all of one type and device, in groups of about `MESSAGE` numbers."""
    groups: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if groups[-1] and size + tensor.numel() > MESSAGE:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += tensor.numel()
    return groups
