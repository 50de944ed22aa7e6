"""What every data set must keep: the battery for our data sets and for those of others.

>>> from zoo.checks.dataset import check
>>> check(MyDataset(), root)  # raises AssertionError that names the promise broken
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.contracts import TRIAL_COLUMNS, Dataset

PARTS = ("train", "val", "test", "")


def mark_is_whole(dataset: Dataset, root: Path | None) -> None:  # noqa: ARG001
    """The mark says what leaks, whether files are needed, whether trials are made by subject."""
    kind, mark = type(dataset).__component__  # type: ignore[attr-defined]
    assert kind == "dataset", f"marked as a {kind}"
    for key, of in [("leakage", str), ("needs_root", bool), ("per_subject", bool), ("judge", str)]:
        assert isinstance(mark.get(key), of), f"@component('dataset', {key}=...) must be a {of}"
    assert len(mark["leakage"]) > 20, "leakage= is a sentence that is printed with every result"


def trials_are_whole(dataset: Dataset, root: Path | None) -> None:
    """One finite float32 trial per row of a table with the agreed columns and unique ids."""
    trials = dataset.load(root)
    table, signal = trials.table, trials.signal
    assert len(table) > 0
    assert tuple(table.columns) == TRIAL_COLUMNS, tuple(table.columns)
    assert table.trial_id.is_unique
    assert table.trial_id.str.fullmatch(r"[\w.=-]+").all(), "trial ids become file names"
    assert not table.isna().to_numpy().any()
    assert trials.eeg.dtype == np.float32
    assert trials.eeg.shape == (len(table), signal.n_chans, signal.n_times)
    assert np.isfinite(trials.eeg).all()
    assert (trials.eeg.std(axis=(0, 2)) > 0).all(), "a channel never moves"
    assert table.label.between(0, len(signal.class_names) - 1).all()
    assert table.subject.between(0, signal.n_subjects - 1).all()
    assert all(isinstance(note, str) for note in trials.notes)


def signal_is_true(dataset: Dataset, root: Path | None) -> None:
    """``signal`` says without loading what ``load`` then delivers."""
    signal = dataset.signal(root)
    assert signal == dataset.load(root).signal
    assert len(signal.ch_names) == signal.n_chans == len(set(signal.ch_names))
    assert signal.ch_pos is None or np.isfinite(signal.ch_pos).all()
    assert signal.scale in ("microvolt", "z-score")
    if signal.band is not None:
        assert 0 <= signal.band[0] < signal.band[1] < signal.sfreq / 2
    assert type(signal).from_json(signal.to_json()) == signal


def loading_repeats(dataset: Dataset, root: Path | None) -> None:
    """Loading twice gives the same trials, bit by bit, and the fingerprint stays."""
    one, other = dataset.load(root), dataset.load(root)
    assert np.array_equal(one.eeg, other.eeg)
    assert one.table.equals(other.table)
    assert dataset.fingerprint(root) == dataset.fingerprint(root)


def split_divides_trials(dataset: Dataset, root: Path | None) -> None:
    """Every trial is in one split or in none; there is something to train and to test on."""
    table = dataset.load(root).table
    part = dataset.split_of(table)
    assert part.shape == (len(table),)
    assert set(part) <= set(PARTS), set(part)
    assert {"train", "test"} <= set(part), f"only {set(part)}"


def split_ignores_order(dataset: Dataset, root: Path | None) -> None:
    """The split of a trial does not depend on the order of the rows."""
    table = dataset.load(root).table
    order = np.random.default_rng(0).permutation(len(table))
    shuffled = table.iloc[order].reset_index(drop=True)
    assert np.array_equal(dataset.split_of(table)[order], dataset.split_of(shuffled))


def images_are_pictures(dataset: Dataset, root: Path | None) -> None:
    """Every trial has a picture, square, uint8 RGB, the same whoever else is asked for."""
    ids = list(dict.fromkeys(dataset.load(root).table.image_id))[:8]
    pictures = dataset.images(ids, root)
    assert pictures.dtype == np.uint8
    assert pictures.shape == (len(ids), 3, pictures.shape[2], pictures.shape[2])
    assert pictures.shape[2] >= 64
    assert all(picture.std() > 0 for picture in pictures), "a picture shows nothing"
    assert np.array_equal(dataset.images(ids[::-1], root)[::-1], pictures)
    assert np.array_equal(dataset.images(ids[-1:], root)[0], pictures[-1])


def root_stays_as_it_was(dataset: Dataset, root: Path | None) -> None:
    """Reading writes nothing beside the recordings."""
    before = _listing(root)
    trials = dataset.load(root)
    dataset.images(list(trials.table.image_id[:1]), root)
    dataset.fingerprint(root)
    assert _listing(root) == before


def _listing(root: Path | None) -> dict[str, Any]:
    if root is None:
        return {}
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Dataset, Path | None], None], ...] = (
    mark_is_whole,
    trials_are_whole,
    signal_is_true,
    loading_repeats,
    split_divides_trials,
    split_ignores_order,
    images_are_pictures,
    root_stays_as_it_was,
)


def check(dataset: Dataset, root: Path | None = None) -> None:
    """Run every check on `dataset`; raises AssertionError at the first promise broken."""
    for promise in CHECKS:
        promise(dataset, root)
