"""Phrases of the sentences in which analyses answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

_SPLITS = {"val": "validation", "train": "training"}


def tested_on(tables: Iterable[pd.DataFrame], split: str) -> str:
    """Return what was scored, "170 validation trials", of tables of trials.

    "the validation split" where the metric scores no trials by themselves.
    """
    columns = ["subject", "trial_id"]
    trials = pd.concat([table[columns] for table in tables]).drop_duplicates()
    trials = trials[trials["trial_id"] != ""]
    named = _SPLITS.get(split, split)
    return f"{len(trials)} {named} trials" if len(trials) else f"the {named} split"


def left_out(lost: Iterable[str]) -> str:
    """Return the clause about cells without a score, empty where there are none."""
    if not (names := ", ".join(lost)):
        return ""
    return f"; left out with every cell of the same seed, for want of a score: {names}"


def blocks(paths: Iterable[str]) -> list[str]:
    """Return the paths that vary, those of a block that is exchanged whole as that block."""
    found = list(paths)
    whole = [path.removesuffix(".name") for path in found if path.endswith(".name")]
    named = (next((b for b in whole if path.startswith(f"{b}.")), path) for path in found)
    return list(dict.fromkeys(named))


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def joined(ask: str, word: str, rest: str) -> str:
    """Return question, answer and reason as one sentence."""
    if word:
        return f"{ask} {word}: {rest}".strip()
    return f"{ask} {rest[:1].upper()}{rest[1:]}".strip()
