"""How many trials of which split are kept: what may be asked for (standard library only)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.errors import did_you_mean

PARTS = ("train", "val", "test")


def limit_problem(limit: Any) -> str | None:
    """Return what is wrong with a `limit` of the right type, or None.

    Parameters
    ----------
    limit : int, mapping or None
        Trials of each split, or split -> trials.
    """
    if not isinstance(limit, Mapping):
        few = limit is not None and limit < 1
        return f"is {limit}; it takes a number of trials, at least 1" if few else None
    for part, count in limit.items():
        if part not in PARTS:
            return f"has no split {part!r}. {did_you_mean(part, PARTS)}It takes: {', '.join(PARTS)}"
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            return f"is {count!r} for {part!r}; it takes a number of trials, at least 1"
    return None if limit else "is empty; leave it out to keep all trials"
