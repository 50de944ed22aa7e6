"""Loads the released .pth files without running what is in them, and gives trials up one by one."""

from __future__ import annotations

import ctypes
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.contracts import DataError
from zoo.datasets._imagenet40_classes import SYNSETS

N_CHANS = 128
PARTS = ("train", "val", "test")
#: Trials given up between two returns of freed memory to the system.
TRIM_EVERY = 128


@dataclass
class Release:
    """One data file in memory.

    Attributes
    ----------
    file : Path
    label, subject, image, length : array (N,), int64
        Of each item, in the order of the file: label in the order of `CLASSES`, subject as the
        file has it (1 to 6), index into `images`, number of samples.
    images : list of str
        ``n02951358_31190`` ...
    mean_C, std_C : array (128,), float32, or None
        ``means`` and ``stddevs``, which the raw file has.
    """

    file: Path
    label: np.ndarray
    subject: np.ndarray
    image: np.ndarray
    length: np.ndarray
    images: list[str]
    mean_C: np.ndarray | None
    std_C: np.ndarray | None
    _items: list[Any]
    _given: int = 0

    def forget(self, index: int) -> None:
        """Free an item that is not wanted."""
        self._items[index] = None

    def take(self, index: int) -> np.ndarray:
        """Return the EEG of an item, (128, P) float32, and keep nothing of it.

        So a conversion of the whole file holds one copy: what is given up makes room for what
        is made of it.
        """
        item, self._items[index] = self._items[index], None
        self._given += 1
        if self._given % TRIM_EVERY == 0:
            _return_freed_memory()
        return item["eeg"].float().numpy()


def load_release(file: Path) -> Release:
    """Load a data file, band or raw, and check what is in it.

    Raises
    ------
    DataError
        If it is damaged, asks for code, or is not of the released form: names file and entry.
    """
    found = load_pickle(file)
    keys = ("dataset", "labels", "images")
    if not isinstance(found, Mapping) or any(key not in found for key in keys):
        there = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        raise DataError(f"{file.name} holds {there[:200]}; it should hold {', '.join(keys)}")
    items, images = found["dataset"], [str(name) for name in found["images"]]
    strange = [name for name in images if not re.fullmatch(r"n\d{8}_\d+", name)]
    if strange:
        raise DataError(
            f"{file.name} lists a picture {strange[0]!r}; its pictures have ImageNet's names, "
            "such as n02951358_31190"
        )
    if not isinstance(items, list) or not items:
        raise DataError(
            f"{file.name}: 'dataset' should be a list of trials and is not, or is empty"
        )
    for index, item in enumerate(items):
        _check_item(file, index, item)
    place = [_label_of(file, str(synset)) for synset in found["labels"]]
    label, image = _column(file, items, "label"), _column(file, items, "image")
    _require_below(file, "label", label, len(place))
    _require_below(file, "image", image, len(images))
    return Release(
        file=file,
        label=np.array(place)[label],
        subject=_column(file, items, "subject"),
        image=image,
        length=np.array([item["eeg"].shape[1] for item in items]),
        images=images,
        mean_C=_by_channel(file, found, "means"),
        std_C=_by_channel(file, found, "stddevs"),
        _items=items,
    )


def load_split(file: Path) -> dict[str, np.ndarray]:
    """Return the indices of train, val and test in a split file (its first division).

    Raises
    ------
    DataError
        If it is no split file, or names an index twice.
    """
    found = load_pickle(file)
    try:
        first = found["splits"][0]
        division = {part: np.array([int(i) for i in first[part]], np.int64) for part in PARTS}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{file.name} is no split file: it should hold 'splits', a list whose first entry "
            "has lists of indices under train, val and test"
        ) from error
    every = np.concatenate(list(division.values()))
    index, times = np.unique(every, return_counts=True)
    if (times > 1).any():
        raise DataError(f"{file.name} names index {index[times > 1][0]} more than once")
    if len(every) and every.min() < 0:
        raise DataError(f"{file.name} names index {every.min()}, which is below 0")
    return division


def load_pickle(file: Path) -> Any:
    """Return what ``torch.save`` wrote (either format), tensors and plain containers only.

    Raises
    ------
    DataError
        If the file asks for anything else, named as it asks for it, or cannot be read.
    """
    import torch

    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"(?:GLOBAL|global|class|function) ([\w.]*\.[\w.]+)", str(error))
        if asked is not None:
            raise DataError(
                f"{file.name} asks for {asked[1]}, which could run code when it is loaded; it was "
                "not loaded. The released files hold tensors, numbers, texts, lists and "
                "dictionaries only; fetch this one again from the data set's authors"
            ) from error
        raise DataError(_unreadable(file, error)) from error
    except MemoryError as error:
        size = file.stat().st_size / 1e9
        raise DataError(f"{file.name} needs {size:.1f} GB of memory to be converted") from error
    except Exception as error:  # a damaged pickle fails in any way
        raise DataError(_unreadable(file, error)) from error


def _unreadable(file: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:160]
    return f"{file.name} cannot be read as a PyTorch file ({reason}); fetch it again"


def _check_item(file: Path, index: int, item: Any) -> None:
    for key in ("eeg", "image", "label", "subject"):
        if not isinstance(item, Mapping) or key not in item:
            raise DataError(f"{file.name}: item {index} of 'dataset' has no {key!r}")
    shape = getattr(item["eeg"], "shape", ())
    if len(shape) != 2 or shape[0] != N_CHANS:
        raise DataError(
            f"{file.name}: 'eeg' of item {index} has shape {tuple(shape)}; it should be "
            f"({N_CHANS}, samples)"
        )


def _column(file: Path, items: list[Any], key: str) -> np.ndarray:
    try:
        return np.array([int(item[key]) for item in items], np.int64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file.name}: {key!r} of an item is no whole number ({error})") from error


def _label_of(file: Path, synset: str) -> int:
    if synset not in SYNSETS:
        raise DataError(f"{file.name}: label {synset!r} is none of the 40 synsets of this data set")
    return SYNSETS.index(synset)


def _require_below(file: Path, key: str, values: np.ndarray, limit: int) -> None:
    wrong = np.flatnonzero((values < 0) | (values >= limit))
    if len(wrong):
        raise DataError(
            f"{file.name}: {key!r} of item {wrong[0]} is {values[wrong[0]]}; the file lists {limit}"
        )


def _by_channel(file: Path, found: Mapping[str, Any], key: str) -> np.ndarray | None:
    if key not in found:
        return None
    values = np.asarray(found[key], np.float32).reshape(-1)
    if len(values) != N_CHANS or not np.isfinite(values).all():
        raise DataError(f"{file.name}: {key!r} should hold {N_CHANS} numbers, one per channel")
    return values


def _return_freed_memory() -> None:
    """Hand freed pages back to the system; glibc keeps them otherwise, other systems do not."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return
    trim(0)
