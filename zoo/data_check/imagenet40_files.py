"""Looking through the files of the 40-class set: bands, raw segments, splits, pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.contracts import DataError
from zoo.data_check.report import RECORDING, SPLIT, Report
from zoo.datasets._imagenet40_classes import CLASSES
from zoo.datasets._named_pictures import find_pictures
from zoo.datasets._released_pickle import N_CHANS, load_release, load_split
from zoo.progress import bar

FILES = {
    "eeg_5_95_std.pth": RECORDING,
    "eeg_14_70_std.pth": RECORDING,
    "eeg_55_95_std.pth": RECORDING,
    "eeg_signals_raw_with_mean_std.pth": RECORDING,
    "block_splits_by_image_single.pth": SPLIT,
    "block_splits_by_image_all.pth": SPLIT,
}
#: Segments of other lengths are left out by everybody who uses the set.
LENGTHS = (450, 600)
SFREQ = 1000.0


def survey(root: Path, image_root: Path | None, report: Report) -> None:
    """Fill the report: every file is read once, one at a time."""
    report.needs = (RECORDING, SPLIT)
    counted: dict[str, int] = {}
    images: list[str] = []
    with bar("check", len(FILES), unit="file", delay=2) as progress:
        for name, kind in FILES.items():
            try:
                what = ""
                if not (root / name).is_file():
                    state = "absent"
                elif kind == RECORDING:
                    state, (what, n_items, names) = "loads", _recordings(root / name, report)
                    counted[name] = n_items
                    images = images or names
                else:
                    state, what = "loads", _split(root / name, counted, report)
            except DataError as error:
                state = "fails"
                report.problem(error)
            report.file(name, kind, state, what)
            progress.update()
    if len(set(counted.values())) > 1:
        sizes = ", ".join(f"{name} {n}" for name, n in counted.items())
        report.problem(f"the files do not hold the same number of segments: {sizes}")
    try:
        find_pictures(images, image_root or root / "images")
    except DataError as error:
        report.problem(error)


def _recordings(path: Path, report: Report) -> tuple[str, int, list[str]]:
    """Return a sentence about a file of segments, their number, and the pictures' names."""
    release = load_release(path)
    for index in range(len(release.label)):
        if not np.isfinite(release.take(index)).all():
            raise DataError(f"{path.name}: segment {index} holds samples that are not numbers")
    first = not report.subjects
    for number in np.unique(release.subject):
        subject = report.subject(str(number))
        subject.recordings += 1
        subject.channels.add(N_CHANS)
        subject.sfreq.add(SFREQ)
        if first:
            own = release.subject == number
            subject.trials = int(own.sum())
            subject.classes = {CLASSES[label][1] for label in release.label[own]}
            subject.pictures = {release.images[image] for image in release.image[own]}
    fitting = ((release.length >= LENGTHS[0]) & (release.length <= LENGTHS[1])).sum()
    what = (
        f"{len(release.label)} segments of {len(report.subjects)} subjects, {fitting} of them with "
        f"{LENGTHS[0]} to {LENGTHS[1]} samples"
    )
    return what, len(release.label), release.images


def _split(path: Path, counted: dict[str, int], report: Report) -> str:
    """Return a sentence about a split file."""
    division = load_split(path)
    last = max((int(index.max()) for index in division.values() if len(index)), default=-1)
    if counted and last >= min(counted.values()):
        report.problem(
            f"{path.name} names segment {last}, but there are {min(counted.values())}; the split "
            "belongs to other files"
        )
    sizes = " / ".join(str(len(index)) for index in division.values())
    return f"{sizes} segments to train, validate, test"
