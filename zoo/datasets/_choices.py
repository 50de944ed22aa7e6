"""Checks of the parameters that every data set takes, made before any data are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import BadParameters, did_you_mean
from zoo.contracts import DataError
from zoo.datasets._limit import limit_problem
from zoo.datasets._splits import check_split

NORMALISATIONS = ("channel", "trial", "none")


def check_choices(
    name: str, *, normalise: str, limit: Any, split: Any, official: tuple[str, ...]
) -> None:
    """Raise BadParameters for a value that no data could make right.

    Parameters
    ----------
    name : str
        The data set, for the message.
    normalise, limit, split
        As given by the user.
    official : tuple of str
        The names that `split` may be.
    """
    who = f"dataset {name!r} parameter"
    if normalise not in NORMALISATIONS:
        hint = did_you_mean(str(normalise), NORMALISATIONS)
        takes = ", ".join(NORMALISATIONS)
        raise BadParameters(f"{who} 'normalise' is {normalise!r}. {hint}It takes: {takes}")
    if (problem := limit_problem(limit)) is not None:
        raise BadParameters(f"{who} 'limit' {problem}")
    if isinstance(split, Mapping):
        try:
            check_split(split)
        except DataError as error:
            raise BadParameters(f"{who} 'split': {error}") from error
    elif split is not None and split not in official:
        hint = did_you_mean(str(split), official)
        takes = ", ".join([*official, "{by: run, test: [...], val: [...]}"])
        raise BadParameters(f"{who} 'split' is {split!r}. {hint}It takes: {takes}")
