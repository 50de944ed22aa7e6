"""Finding one's way in the folders of THINGS-EEG2: subjects, recordings, pictures by concept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.contracts import DataError
from zoo.datasets._pickled_arrays import read_pickled
from zoo.datasets._simulated import MARKER, is_simulated

#: Partition -> file of a subject, and what the folder of its pictures may be called.
FILES = {"training": "preprocessed_eeg_training.npy", "test": "preprocessed_eeg_test.npy"}
PICTURES = {"training": ("training_images", "train_images"), "test": ("test_images",)}
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Recording:
    """One partition of one subject.

    Attributes
    ----------
    eeg : array (conditions, repetitions, channels, times)
        Memory-mapped, as the file has it.
    ch_names : tuple of str
    times : array (times,)
        Seconds from onset, one for each sample of `eeg`.
    """

    eeg: np.ndarray
    ch_names: tuple[str, ...]
    times: np.ndarray

    @property
    def sfreq(self) -> float:
        """Return samples per second, rounded to a millihertz."""
        return round(float((len(self.times) - 1) / (self.times[-1] - self.times[0])), 3)


def subject_folders(root: Path | None) -> dict[str, Path]:
    """Return name -> folder of every subject, in order.

    The folders ``sub-*`` lie in the root itself or in one folder inside it.

    Raises
    ------
    DataError
        There are none, several folders hold some, or the folder inside is simulated and the root
        is not marked so.
    """
    if root is None:
        raise DataError(
            "dataset 'things_eeg2' reads recordings; name their folder with --data-root"
        )
    if not root.is_dir():
        raise DataError(f"data root {root} is no folder; name that of THINGS-EEG2 with --data-root")
    inside = sorted(path for path in root.iterdir() if path.is_dir())
    found = {path: folders for path in (root, *inside) if (folders := _subjects(path))}
    if root in found:
        return found[root]
    if len(found) > 1:
        named = ", ".join(path.name for path in found)
        raise DataError(f"{root} holds recordings in {named}; name one of them with --data-root")
    if not found:
        raise DataError(
            f"{root} holds no sub-*/{FILES['training']}; name the folder of the preprocessed "
            "THINGS-EEG2 recordings with --data-root"
        )
    ((place, folders),) = found.items()
    if is_simulated(place) and not is_simulated(root):  # results are stamped by the data root
        raise DataError(
            f"{place} holds simulated recordings ({MARKER}), and {root} does not say so; name "
            f"{place} itself with --data-root"
        )
    return folders


def _subjects(folder: Path) -> dict[str, Path]:
    paths = [path for path in folder.glob("sub-*") if (path / FILES["training"]).is_file()]
    names = {path.name.removeprefix("sub-"): path for path in paths}
    return {name: names[name] for name in sorted(names, key=lambda n: (len(n.lstrip("0")), n))}


def read_recording(folder: Path, partition: str) -> Recording:
    """Return one partition of one subject.

    Raises
    ------
    DataError
        The file is missing, holds something else, or its parts do not fit each other.
    """
    file = folder / FILES[partition]
    found = read_pickled(file)
    keys = ("preprocessed_eeg_data", "ch_names", "times")
    lacking = [key for key in keys if not isinstance(found, dict) or key not in found]
    if lacking:
        there = ", ".join(map(str, found)) if isinstance(found, dict) else type(found).__name__
        raise DataError(f"{file} has no {' or '.join(map(repr, lacking))}; it holds: {there}")
    eeg: Any = found["preprocessed_eeg_data"]
    shape = getattr(eeg, "shape", ())
    if len(shape) != 4 or eeg.dtype.kind != "f":
        raise DataError(
            f"{file}: preprocessed_eeg_data must be numbers by conditions, repetitions, channels "
            f"and times, it is {shape}"
        )
    ch_names = tuple(str(name) for name in found["ch_names"])
    if len(ch_names) != shape[2]:
        raise DataError(f"{file} names {len(ch_names)} channels and holds {shape[2]}")
    times = np.asarray(found["times"], np.float64)
    if len(times) < shape[3]:
        raise DataError(f"{file} has {len(times)} times for {shape[3]} samples")
    # NICE's and ATM's preprocessing cuts the baseline off the samples, but not off the times.
    return Recording(eeg, ch_names, times[len(times) - shape[3] :])


def picture_folder(root: Path | None, image_root: Path | None, partition: str) -> Path:
    """Return the folder of a partition's pictures.

    Looked for in the image root where one is named, else in the data root and above the
    subjects' folders, there and in the folders inside.

    Raises
    ------
    DataError
        There is none.
    """
    bases = [image_root] if image_root is not None else _bases(root)
    for base in bases:
        inside = sorted(path for path in base.iterdir() if path.is_dir())
        for place in (base, *inside):
            for name in PICTURES[partition]:
                if (place / name).is_dir():
                    return place / name
    where = ", ".join(map(str, bases))
    raise DataError(
        f"there is no {' or '.join(PICTURES[partition])} in {where}; name the folder that holds "
        "it with --image-root"
    )


def _bases(root: Path | None) -> list[Path]:
    subjects = next(iter(subject_folders(root).values())).parent
    assert root is not None
    return [root] if subjects == root else [root, subjects]


def pictures(folder: Path) -> list[tuple[str, str]]:
    """Return (concept, file name) of every picture, in the order of the recordings' conditions.

    That is the order of the sorted folders ``00001_aardvark`` and, inside, of the sorted files.
    """
    concepts = sorted(path for path in folder.iterdir() if path.is_dir())
    return [
        (concept.name, file.name)
        for concept in concepts
        for file in sorted(concept.iterdir())
        if file.suffix.lower() in SUFFIXES
    ]


def concept_name(folder: str) -> str:
    """Return "aircraft carrier" of "00002_aircraft_carrier"."""
    number, _, name = folder.partition("_")
    return (name if number.isdecimal() and name else folder).replace("_", " ")


def fingerprint(root: Path | None) -> str:
    """Return a hash of names, sizes and times of change of recordings and pictures."""
    whole = hashlib.sha256()
    files = [folder / name for folder in subject_folders(root).values() for name in FILES.values()]
    for partition in PICTURES:
        try:
            folder = picture_folder(root, None, partition)
        except DataError:  # they lie elsewhere: --image-root has a hash of its own
            continue
        files += [folder / concept / name for concept, name in pictures(folder)]
    for file in files:
        if file.is_file():
            status = file.stat()
            name = "/".join(file.parts[-3:])
            whole.update(f"{name}\0{status.st_size} {status.st_mtime_ns}\n".encode())
    return whole.hexdigest()
