"""Looking through the files of the 40-class set: bands, raw segments, splits, pictures."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from zoo.contracts import DataError
from zoo.data_check.report import RECORDING, SPLIT, Report
from zoo.progress import bar

FILES = {
    "eeg_5_95_std.pth": RECORDING,
    "eeg_14_70_std.pth": RECORDING,
    "eeg_55_95_std.pth": RECORDING,
    "eeg_signals_raw_with_mean_std.pth": RECORDING,
    "block_splits_by_image_single.pth": SPLIT,
    "block_splits_by_image_all.pth": SPLIT,
}
ITEM = ("eeg", "image", "label", "subject")
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
    if images:
        _pictures(image_root or root / "images", images, report)


def read(path: Path) -> Any:
    """Return what a ``.pth`` file holds: tensors and plain containers only.

    Raises
    ------
    DataError
        If the file cannot be read, or asks for anything else: names it.
    """
    import torch

    try:
        # a zip is opened in place; the older format has to be read into memory
        return torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path) or None
        )
    except Exception as error:  # a damaged pickle fails in as many ways as there are opcodes
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        if asked:
            raise DataError(
                f"{path.name} asks for {asked[1]}, which could run code, and was not loaded: it "
                "takes tensors and plain containers only; fetch the file again from its authors"
            ) from error
        raise DataError(
            f"{path.name} is damaged or no file of torch.save; fetch it again"
        ) from error


def _recordings(path: Path, report: Report) -> tuple[str, int, list[str]]:
    """Return a sentence about a file of segments, their number, and the pictures' names."""
    content = read(path)
    for key in ("dataset", "labels", "images"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DataError(f"{path.name} has no list {key!r}; is it a file of this set?")
    items, labels, images = content["dataset"], content["labels"], content["images"]
    lengths, subjects, n_chans = [], set(), set()
    first = not report.subjects
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not all(key in item for key in ITEM):
            raise DataError(f"{path.name}: segment {number} lacks one of {', '.join(ITEM)}")
        try:
            label, image, name = (int(item[key]) for key in ("label", "image", "subject"))
            (channels, samples), finite = item["eeg"].shape, bool(item["eeg"].isfinite().all())
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(f"{path.name}: segment {number} is no trial ({error})") from error
        if not finite:
            raise DataError(f"{path.name}: segment {number} holds samples that are not numbers")
        if not 0 <= label < len(labels) or not 0 <= image < len(images):
            raise DataError(f"{path.name}: segment {number} names a label or image not listed")
        lengths.append(samples)
        n_chans.add(channels)
        subjects.add(str(name))
        if first:
            subject = report.subject(str(name))
            subject.trials += 1
            subject.classes.add(labels[label])
            subject.pictures.add(images[image])
    if not items:
        raise DataError(f"{path.name} holds no segment")
    for name in subjects:
        subject = report.subject(name)
        subject.recordings += 1
        subject.channels |= n_chans
        subject.sfreq.add(SFREQ)
    report.subjects = dict(sorted(report.subjects.items(), key=lambda pair: int(pair[0])))
    fitting = sum(LENGTHS[0] <= length <= LENGTHS[1] for length in lengths)
    what = (
        f"{len(items)} segments of {len(subjects)} subjects, {fitting} of them with "
        f"{LENGTHS[0]} to {LENGTHS[1]} samples"
    )
    return what, len(items), images


def _split(path: Path, counted: dict[str, int], report: Report) -> str:
    """Return a sentence about a split file."""
    content = read(path)
    parts = ("train", "val", "test")
    try:
        first = {part: [int(i) for i in content["splits"][0][part]] for part in parts}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"{path.name} has no 'splits' with the lists train, val and test; is it a file of "
            "this set?"
        ) from error
    last = max((max(first[part], default=-1) for part in parts), default=-1)
    if counted and last >= min(counted.values()):
        report.problem(
            f"{path.name} names segment {last}, but there are {min(counted.values())}; the split "
            "belongs to other files"
        )
    sizes = " / ".join(str(len(first[part])) for part in parts)
    return f"{sizes} segments to train, validate, test"


def _pictures(folder: Path, images: list[str], report: Report) -> None:
    """List the pictures missing; they may lie flat or in a folder for each synset."""
    found = {path.stem for path in folder.rglob("*") if path.suffix.lower() in (".jpeg", ".jpg")}
    missing = [name for name in images if name not in found]
    if missing:
        some = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        report.problem(
            f"{len(missing)} of {len(images)} pictures are missing in {folder}: {some}; take them "
            "from ImageNet, or name their folder with --image-root"
        )
