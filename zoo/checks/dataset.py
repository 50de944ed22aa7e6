"""What every data set must keep: the battery for our data sets and for those of others.

>>> from zoo.checks import check_dataset
>>> check_dataset(MyDataset, root)  # raises AssertionError that names every promise broken
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.checks._case import Case
from zoo.contracts import TRIAL_COLUMNS, Dataset, Trials

PARTS = ("train", "val", "test", "")
#: What a data set may declare as its unit of independence.
INDEPENDENT = ("image", "block", "run", "session", "subject")
#: Parameters that choose or scale trials, and values of theirs: trials are prepared without them.
SELECTING: dict[str, Any] = {
    "split": {"by": "subject", "test": ["1"], "val": []},
    "limit": 2,
    "normalise": "trial",
    "shuffle_labels": True,
}


def build(case: Case) -> Dataset:
    """Return the data set, built with its small parameters."""
    assert case.root is not None or not case.spec.meta.get("needs_root"), (
        f"data set {case.name!r} reads files (needs_root=True): give check_dataset a root, or "
        "promises one of its roots"
    )
    return case.cls(**case.params)


def load(case: Case) -> Trials:
    """Return the trials of a data set built anew."""
    return build(case).load(case.root)


def mark_is_whole(case: Case) -> None:
    """The mark says what leaks, what train and test must not share, whether files are needed."""
    mark = case.spec.meta
    for key, of in [("leakage", str), ("needs_root", bool), ("per_subject", bool), ("judge", str)]:
        assert isinstance(mark.get(key), of), f"@component('dataset', {key}=...) must be a {of}"
    assert len(mark["leakage"]) > 20, "leakage= is a sentence that is printed with every result"
    assert mark.get("independent") in INDEPENDENT, (
        f"independent= is {mark.get('independent')!r}: say what train and test must not share for "
        f"the test to show that the picture was decoded, one of {', '.join(INDEPENDENT)}"
    )


def trials_are_whole(case: Case) -> None:
    """One finite float32 trial per row of a table with the agreed columns and unique ids."""
    trials = load(case)
    table, signal = trials.table, trials.signal
    assert len(table) > 0
    assert tuple(table.columns)[: len(TRIAL_COLUMNS)] == TRIAL_COLUMNS, tuple(table.columns)
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


def signal_is_true(case: Case) -> None:
    """``signal`` says without loading what ``load`` then delivers."""
    signal = build(case).signal(case.root)
    assert signal == load(case).signal
    assert len(signal.ch_names) == signal.n_chans == len(set(signal.ch_names))
    assert signal.ch_pos is None or np.isfinite(signal.ch_pos).all()
    assert signal.scale in ("microvolt", "z-score")
    if signal.band is not None:
        assert 0 <= signal.band[0] < signal.band[1] < signal.sfreq / 2
    assert type(signal).from_json(signal.to_json()) == signal


def loading_repeats(case: Case) -> None:
    """Loading twice gives the same trials, bit by bit, and the fingerprint stays."""
    one, other = load(case), load(case)
    assert np.array_equal(one.eeg, other.eeg)
    assert one.table.equals(other.table)
    assert build(case).fingerprint(case.root) == build(case).fingerprint(case.root)


def notes_are_of_the_recordings(case: Case) -> None:
    """What ``notes`` say holds whatever ``split``, ``limit``, ``normalise``, ``shuffle_labels``."""
    takes = inspect.signature(case.cls).parameters
    selecting = {name: value for name, value in SELECTING.items() if name in takes}
    notes = case.cls(**{**case.params, **selecting}).load(case.root).notes
    assert notes == load(case).notes, (
        f"trials are prepared without {', '.join(selecting)}, so notes must not depend on them"
    )


def pictures_may_lie_elsewhere(case: Case) -> None:
    """``load`` and ``images`` take the folder of pictures that the user names besides the root."""
    dataset = build(case)
    for method in (dataset.load, dataset.images):
        takes = inspect.signature(method).parameters
        assert "image_root" in takes, f"{method.__name__} takes no image_root"


def split_divides_trials(case: Case) -> None:
    """Every trial is in one split or in none; there is something to train and to test on."""
    dataset, table = build(case), load(case).table
    part = dataset.split_of(table)
    assert part.shape == (len(table),)
    assert set(part) <= set(PARTS), set(part)
    assert {"train", "test"} <= set(part), f"only {set(part)}"


def split_ignores_order(case: Case) -> None:
    """The split of a trial does not depend on the order of the rows."""
    dataset, table = build(case), load(case).table
    order = np.random.default_rng(0).permutation(len(table))
    shuffled = table.iloc[order].reset_index(drop=True)
    assert np.array_equal(dataset.split_of(table)[order], dataset.split_of(shuffled))


def images_are_pictures(case: Case) -> None:
    """Every trial has a picture, square, uint8 RGB, the same whoever else is asked for."""
    dataset, root = build(case), case.root
    ids = list(dict.fromkeys(load(case).table.image_id))[:8]
    pictures = dataset.images(ids, root)
    assert pictures.dtype == np.uint8
    assert pictures.shape == (len(ids), 3, pictures.shape[2], pictures.shape[2])
    assert pictures.shape[2] >= 64
    assert all(picture.std() > 0 for picture in pictures), "a picture shows nothing"
    assert np.array_equal(dataset.images(ids[::-1], root)[::-1], pictures)
    assert np.array_equal(dataset.images(ids[-1:], root)[0], pictures[-1])
    # Names read back from an array are text of NumPy's own kind: they name the same pictures.
    assert np.array_equal(dataset.images(list(np.array(ids)), root), pictures)


def root_stays_as_it_was(case: Case) -> None:
    """Reading writes nothing beside the recordings."""
    dataset, root = build(case), case.root
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
CHECKS: tuple[Callable[[Case], None], ...] = (
    mark_is_whole,
    trials_are_whole,
    signal_is_true,
    loading_repeats,
    notes_are_of_the_recordings,
    pictures_may_lie_elsewhere,
    split_divides_trials,
    split_ignores_order,
    images_are_pictures,
    root_stays_as_it_was,
)
