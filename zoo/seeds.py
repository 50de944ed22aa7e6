"""Named seeds: every random draw has a name, so no draw depends on how many came before it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def named_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the draw called `names` under the recipe's `seed`.

    Parameters
    ----------
    seed : int
        The recipe's seed.
    *names : str or int
        What is drawn, for example ``("noise", trial_id, k)``. The order matters; the type does
        (``1`` and ``"1"`` are different names).

    Returns
    -------
    int
        Between 0 and 2**63 - 1; the same on every machine.
    """
    text = "\x1f".join([repr(int(seed)), *map(repr, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(seed: int, *names: str | int) -> np.random.Generator:
    """Return a NumPy generator seeded by `named_seed`."""
    return np.random.default_rng(named_seed(seed, *names))


def torch_generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU torch generator seeded by `named_seed`."""
    import torch

    return torch.Generator().manual_seed(named_seed(seed, *names))
