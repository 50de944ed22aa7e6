"""Which trial is for training, which for validation, which for the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from registry import did_you_mean
from zoo.contracts import DataError
from zoo.seeds import named_seed

#: What ``by`` may name -> the column that tells its units apart within a subject.
UNITS = {
    "run": "run", "session": "session", "subject": "subject_name", "image": "image_id",
    "block": "block",
}  # fmt: skip


def check_split(split: Mapping[str, Any]) -> None:
    """Raise DataError unless `split` reads ``{by: ..., test: [...], val: [...]}``."""
    unknown = [key for key in split if key not in ("by", "test", "val")]
    if unknown:
        hint = did_you_mean(unknown[0], ("by", "test", "val"))
        raise DataError(f"split has no key {unknown[0]!r}. {hint}It takes: by, test, val")
    by = split.get("by")
    if by not in UNITS:
        hint = did_you_mean(str(by), UNITS)
        raise DataError(f"split.by is {by!r}. {hint}It takes one of: {', '.join(UNITS)}")
    for part in ("test", "val"):
        values = split.get(part, [])
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise DataError(f"split.{part} is {values!r}; it takes a list, for example ['6']")
    if not split.get("test"):
        raise DataError("split.test is missing or empty; name what to test on, for example ['6']")


def split_by(table: pd.DataFrame, split: Mapping[str, Any]) -> np.ndarray:
    """Return "train", "val" or "test" for each trial, by whole runs, subjects, images ...

    Parameters
    ----------
    table : DataFrame
        Trials with the columns of `zoo.contracts.TRIAL_COLUMNS`.
    split : mapping
        ``by``: run, session, subject, image or block; ``test``, ``val``: which of them. What is
        named in neither is for training.

    Raises
    ------
    DataError
        If something named does not exist, is named twice, or leaves nothing to train on.
    """
    check_split(split)
    values = table[UNITS[split["by"]]].astype(str).to_numpy()
    part_of_trial = np.full(len(table), "train", dtype="<U5")
    for part in ("val", "test"):
        wanted = select_named(values, split.get(part, ()), f"split.{part}", split["by"])
        both = wanted & (part_of_trial == "val")
        if part == "test" and both.any():
            name = values[both][0]
            raise DataError(f"{split['by']} {name!r} is in both split.val and split.test")
        part_of_trial[wanted] = part
    if not (part_of_trial == "train").any():
        raise DataError(f"split leaves no {split['by']} to train on: all are in val or test")
    return part_of_trial


def require_known_images(split: Any) -> None:
    """Raise DataError where `split` is by image; for data whose pictures shown are not known."""
    if isinstance(split, Mapping) and split.get("by") == "image":
        raise DataError(
            "dataset.params.split is by image, but the events do not name the picture shown: each "
            "trial's picture was drawn by a seed within its category, so such a split divides "
            "nothing that was seen; split by run, session or subject"
        )


def select_named(values: np.ndarray, wanted: Sequence[Any], where: str, what: str) -> np.ndarray:
    """Return the mask of `values` that are among `wanted`; ``6``, ``"6"`` and ``"06"`` agree.

    Raises
    ------
    DataError
        If one of `wanted` is not among `values`: names it, `where` it stands and what there is.
    """
    known = np.unique(values)
    mask = np.zeros(len(values), bool)
    for name in wanted:
        found = [k for k in known if k == str(name)] or [k for k in known if _same(k, str(name))]
        if not found:
            there = sorted(known, key=lambda k: (len(k), k))
            some = ", ".join(there[:12]) + (" ..." if len(there) > 12 else "")
            raise DataError(f"{where}: there is no {what} {str(name)!r}; there are: {some}")
        mask |= np.isin(values, found)
    return mask


def _same(one: str, other: str) -> bool:
    return one.isdecimal() and other.isdecimal() and int(one) == int(other)


def split_images(image_ids: Sequence[str], classes: Sequence[int], *, seed: int) -> dict[str, str]:
    """Divide images into about 4/6 train, 1/6 val and 1/6 test within every class.

    These are the shares of the published by-image splits of the 40-class set. An image's place
    depends on its name, so all subjects share it.

    Returns
    -------
    dict
        image_id -> "train", "val" or "test".
    """
    part = {}
    names, classes = np.asarray(image_ids), np.asarray(classes)
    for class_index in np.unique(classes):
        mine = sorted(names[classes == class_index], key=lambda i: named_seed(seed, "split", i))
        n_held_out = max(1, round(len(mine) / 6))
        for position, image_id in enumerate(mine):
            held_out = position // n_held_out
            part[str(image_id)] = {0: "test", 1: "val"}.get(held_out, "train")
    return part
