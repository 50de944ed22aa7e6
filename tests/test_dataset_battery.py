"""Every data set keeps what every data set promises; those that read files get a small folder."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
from bids_folder import write_bids
from imagenet40_folder import write_imagenet40
from own_folders import write_epochs, write_folder

from registry import component
from zoo.checks import all_kinds, check_dataset, promises
from zoo.checks import dataset as battery
from zoo.checks._case import Case
from zoo.datasets.pocket import Pocket
from zoo.registries import DATASETS
from zoo.simulate import things_eeg2


def _write_things(folder: Path) -> Path:
    things_eeg2.write(folder, things_eeg2.Size(2, 6, 3, 3, 2, 4, posterior=True))
    return folder


#: Data set that reads files -> what writes a small folder of them and returns it.
WRITERS: dict[str, Callable[[Path], Path]] = {
    "bids": partial(write_bids, subjects=("01", "02")),
    "eeg_imagenet40": write_imagenet40,
    "things_eeg2": _write_things,
    "epochs": write_epochs,
    "folder": write_folder,
}


@cache
def small_root(name: str) -> Path:
    """Return the folder of a data set, written once for the whole process."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return WRITERS[name](folder)


PROMISES = promises("dataset", {name: partial(small_root, name) for name in WRITERS})


@pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in PROMISES])
def test_promise(promise: Callable[[], None]) -> None:
    promise()


def test_no_data_set_is_left_out() -> None:
    names = DATASETS.names()
    assert {"bids", "epochs", "folder", "pocket"} <= set(names)
    assert len(PROMISES) == len(names) * len([*all_kinds.CHECKS, *battery.CHECKS])
    needy = {name for name in names if DATASETS.spec(name).meta["needs_root"]}
    assert needy == set(WRITERS), "a data set that reads files needs a writer in WRITERS"


def test_a_data_set_that_reads_files_is_not_checked_without() -> None:
    with pytest.raises(AssertionError, match=r"data set 'bids' reads files \(needs_root=True\)"):
        check_dataset("bids")
    check_dataset("bids", small_root("bids"))


def test_the_battery_finds_what_is_wrong() -> None:
    @component(
        "dataset", license="BSD-3-Clause", needs_root=False, per_subject=True, judge="pocket"
    )
    class Sloppy(Pocket):
        __doc__ = Pocket.__doc__

        def load(self, root: Path | None = None):
            trials = super().load(root)
            trials.table["trial_id"] = "same"
            return trials

        def split_of(self, table):
            part = super().split_of(table)
            part[:5] = "val"
            return part

    with pytest.raises(AssertionError) as caught:
        check_dataset(Sloppy, **DATASETS.spec("pocket").meta["tiny"])
    broken = [line.split(" ")[0] for line in str(caught.value).splitlines()[1:] if " (" in line]
    assert broken == [
        "mark_is_whole", "trials_are_whole", "pictures_may_lie_elsewhere", "split_ignores_order",
    ]  # fmt: skip


def test_the_battery_finds_notes_that_tell_of_what_is_selected() -> None:
    for name in ("split", "limit", "normalise", "shuffle_labels"):

        class Talkative(Pocket):
            __doc__ = Pocket.__doc__
            told = name

            def load(self, *roots: Path | None):
                trials = super().load(*roots)
                note = f"{self.told} is {getattr(self, self.told)}"
                return replace(trials, notes=(*trials.notes, note))

        case = Case.of("dataset", Talkative, DATASETS.spec("pocket").meta["tiny"])
        with pytest.raises(AssertionError, match="notes must not depend on them"):
            battery.notes_are_of_the_recordings(case)
