"""Looking through the files of THINGS-EEG2: which are there, not what is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.contracts import DataError
from zoo.data_check.report import RECORDING, Report

FILES = ("preprocessed_eeg_training.npy", "preprocessed_eeg_test.npy")
PICTURES = ("training_images", "test_images")


def survey(root: Path, image_root: Path | None, report: Report) -> None:
    """Fill the report from file names and the files' first bytes; nothing is unpickled."""
    for folder in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        subject = report.subject(folder.name.removeprefix("sub-"))
        for name in FILES:
            path = folder / name
            try:
                state = "loads" if path.is_file() else "absent"
                what = _header(path) if state == "loads" else ""
            except DataError as error:
                state, what = "fails", ""
                report.problem(error)
            report.file(f"{folder.name}/{name}", RECORDING, state, what)
            subject.recordings += state == "loads"
            if state == "absent":
                report.problem(f"{folder.name}/{name} is missing")
    report.notes.append("trials, classes and channels are not counted: files were not opened whole")
    places = [image_root] if image_root else [root, root / "images"]
    for name in PICTURES:
        if not any((place / name).is_dir() for place in places):
            report.problem(
                f"the folder of pictures {name} is not in {places[0]}; name the folder that holds "
                "it with --image-root"
            )


def _header(path: Path) -> str:
    """Return what the header of an ``.npy`` file says."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read(file)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path.parent.name}/{path.name} is no .npy file ({error})") from error
    return "a pickled dictionary" if dtype.hasobject else f"an array {shape}"
