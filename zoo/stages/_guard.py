"""What keeps the test out of training: arrays by trial of which some rows cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

R = TypeVar("R")


class LeakError(AssertionError):
    """Something that trains asked for a trial that it must not see."""


class Guarded:
    """Values by trial; whoever asks for a trial that is shut gets a `LeakError`.

    Parameters
    ----------
    values : array or Tensor
        May be memory-mapped.
    place : array (N,), int64
        Where in `values` each trial lies; -1 where it is shut.
    what : str
        What the values are, for the message.
    """

    def __init__(self, values: np.ndarray | Tensor, place: np.ndarray, what: str) -> None:
        self._values, self._place, self._what = values, place, what

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape with all trials, those that are shut among them."""
        return (len(self._place), *self._values.shape[1:])

    def __len__(self) -> int:
        return len(self._place)

    def __getitem__(self, rows: Any) -> Any:
        """Return the values of the trials chosen by a number, slice, array or mask."""
        place = self._place[np.asarray(rows) if isinstance(rows, Tensor | list) else rows]
        shut = int((place < 0).sum())
        if shut:
            raise LeakError(
                f"training asked for the {self._what} of {shut} trial(s) that it must not see: "
                "trials of the test are there for the figures alone"
            )
        if isinstance(self._values, Tensor):
            return self._values[torch.from_numpy(np.asarray(place))]
        return self._values[place]

    def __array__(self, *_args: Any, **_options: Any) -> np.ndarray:
        """Return everything, which is a `LeakError` where anything is shut."""
        return np.asarray(self[:])


def guarded(values: np.ndarray | Tensor, open_N: np.ndarray, what: str) -> Guarded:
    """Return a copy of the open rows of `values` (N, ...); the others are not even kept."""
    place = np.where(open_N, np.cumsum(open_N) - 1, -1)
    rows = torch.from_numpy(open_N) if isinstance(values, Tensor) else open_N
    return Guarded(values[rows], place, what)


def guarded_file(values_P: np.ndarray, open_rows: np.ndarray) -> Guarded:
    """Return memory-mapped values of which `open_rows` alone can be read; nothing is copied."""
    place = np.full(len(values_P), -1)
    place[open_rows] = open_rows
    return Guarded(values_P, place, "EEG")


def with_guarded(record: R, open_N: np.ndarray, names: Iterable[str]) -> R:
    """Return a dataclass with the named fields guarded."""
    fields: dict[str, Any] = {name: guarded(getattr(record, name), open_N, name) for name in names}
    return replace(record, **fields)  # type: ignore[type-var]
