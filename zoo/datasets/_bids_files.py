"""Finding one's way in a BIDS folder: recordings, events, categories, pictures."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from zoo.contracts import DataError
from zoo.datasets._splits import select_named

if TYPE_CHECKING:
    from mne_bids import BIDSPath

EEG_FILES = [".vhdr", ".edf", ".bdf", ".set"]
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
#: Larger files enter the fingerprint by size and time of change, smaller ones by content.
HASHED_BELOW = 8 * 2**20
#: Where `zoo run` writes when it is started inside the folder.
OUTPUT = "runs"
NOT_RAW = ("derivatives", "sourcedata", "code", OUTPUT)


@dataclass(frozen=True)
class Recording:
    """One run of one subject.

    Attributes
    ----------
    path : BIDSPath
    subject : int
        Counted in the order of the data set.
    subject_name, session, run : str
        Labels; numbers without leading zeros for session and run, "1" where there is none.
    """

    path: BIDSPath
    subject: int
    subject_name: str
    session: str
    run: str

    @property
    def name(self) -> str:
        """Return the file's name, for messages."""
        return self.path.fpath.name

    @property
    def trial_prefix(self) -> str:
        """Return what the ids of its trials begin with."""
        return f"sub-{self.subject_name}_ses-{self.session}_run-{self.run}"


def find_recordings(root: Path | None, task: str | None) -> list[Recording]:
    """Return all EEG recordings of a task, in the order of subjects, sessions, runs.

    Raises
    ------
    DataError
        If the folder is missing, is no BIDS data set, holds no EEG, several tasks, or two
        recordings of the same subject, session and run.
    """
    from mne_bids import find_matching_paths

    root = require_bids(root)
    paths = find_matching_paths(
        root,
        datatypes="eeg",
        suffixes="eeg",
        extensions=EEG_FILES,
        ignore_json=True,
        ignore_nosub=True,  # what lies under derivatives/ or sourcedata/ is no raw recording
    )
    tasks = sorted({path.task for path in paths if path.task})
    if task is None and len(tasks) > 1:
        raise DataError(
            f"{root} holds the tasks {', '.join(tasks)}; choose one with dataset.params.task"
        )
    paths = [path for path in paths if task is None or path.task == task]
    if not paths:
        of_task = "" if task is None else f" of task {task!r} (there is: {', '.join(tasks)})"
        raise DataError(f"{root} holds no EEG recording{of_task}; looked for {EEG_FILES}")
    subjects = sorted({path.subject for path in paths})
    recordings = [
        Recording(
            path,
            subjects.index(path.subject),
            path.subject,
            _plain(path.session),
            _plain(path.run),
        )
        for path in paths
    ]
    recordings.sort(key=lambda r: (r.subject, natural(r.session), natural(r.run)))
    for one, other in pairwise(recordings):
        if one.trial_prefix == other.trial_prefix:  # acq-a and acq-b, or .edf beside .vhdr
            raise DataError(
                f"{one.name} and {other.name} are recordings of the same subject, session and "
                "run; keep one of them in the folder, or number them as runs"
            )
    return recordings


def require_bids(root: Path | None) -> Path:
    """Return `root` if it is a BIDS folder, else raise DataError."""
    if root is None:
        raise DataError("dataset 'bids' reads recordings; name their folder with --data-root")
    if not root.is_dir():
        raise DataError(f"data root {root} is no folder; name a BIDS folder with --data-root")
    if not (root / "dataset_description.json").is_file():
        raise DataError(
            f"{root} is no BIDS data set: it has no dataset_description.json; name the folder "
            "that holds it with --data-root"
        )
    return root


def of_subjects(recordings: list[Recording], subjects: Sequence[str] | None) -> list[Recording]:
    """Return the recordings of these subjects; None is all."""
    if subjects is None:
        return recordings
    names = np.array([r.subject_name for r in recordings])
    chosen = select_named(names, subjects, "dataset.params.subjects", "subject")
    return [r for r, keep in zip(recordings, chosen, strict=True) if keep]


def read_events(recording: Recording) -> pd.DataFrame:
    """Return the events of a recording: onset (seconds), trial_type, stim_file ("" where none).

    Raises
    ------
    DataError
        If there is no events file, it cannot be read, lacks a column, or names no category.
    """
    found = recording.path.find_matching_sidecar(
        suffix="events", extension=".tsv", on_error="ignore"
    )
    if found is None:
        raise DataError(f"{recording.name} has no events.tsv beside it, so it has no trials")
    table = read_tsv(Path(found))
    for column in ("onset", "trial_type"):
        if column not in table:
            there = ", ".join(table.columns)
            raise DataError(f"{Path(found).name} has no column {column!r}; it has: {there}")
    stim_file = table["stim_file"] if "stim_file" in table else pd.Series("", index=table.index)
    events = pd.DataFrame(
        {
            "onset": pd.to_numeric(table.onset, errors="coerce"),
            "trial_type": table.trial_type.str.strip(),
            "stim_file": stim_file.replace("n/a", ""),
        }
    )
    events = events[~events.trial_type.isin(["", "n/a"])].reset_index(drop=True)
    if events.empty:
        raise DataError(f"{Path(found).name} names no trial_type, so it has no trials")
    if events.onset.isna().any():
        raise DataError(f"{Path(found).name} has an onset that is not a number of seconds")
    return events


def read_tsv(file: Path, sep: str = "\t") -> pd.DataFrame:
    """Return a table, every cell a text.

    Raises
    ------
    DataError
        If it is empty, is no UTF-8 text (BIDS asks for it), or its rows differ in length.
    """
    form = {"sep": sep, "dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        with warnings.catch_warnings():  # pandas only warns of a cell more in every row
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(file, index_col=False, **form)
    except UnicodeDecodeError as error:
        raise DataError(f"{file.name} is no UTF-8 text; save it as UTF-8") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file.name} is empty; write the table or remove the recording") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{file.name} cannot be read as a table: {reason}") from error


def pictures_of(
    pictures: Path, category: str, asked: tuple[str, str] = ("trial_type", "trial_types")
) -> list[str]:
    """Return the pictures of a category, as ``category/file``, sorted.

    Parameters
    ----------
    pictures : Path
    category : str
    asked : (str, str)
        What names a category, and the parameter that chooses some, for the message.

    Raises
    ------
    DataError
        If there is no ``<pictures>/<category>`` with pictures.
    """
    folder = pictures / category
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    names = [f"{category}/{f.name}" for f in files if f.suffix.lower() in PICTURES]
    if not names:
        what = "holds no picture" if folder.is_dir() else "is missing"
        raise DataError(
            f"{folder} {what}, but trials have the {asked[0]} {category!r}; add pictures there, "
            "name another folder of pictures with --image-root, or the categories to use with "
            f"dataset.params.{asked[1]}"
        )
    return names


def read_picture(file: Path, size: int) -> np.ndarray:
    """Return a picture cut to its central square, uint8 RGB (3, size, size).

    Raises
    ------
    DataError
        If the file is missing or no picture.
    """
    picture = _opened(file, lambda image: image.convert("RGB"))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    resized = square.resize((size, size), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def check_picture(file: Path) -> None:
    """Raise DataError unless the file looks like a picture (pixels are not decoded)."""
    _opened(file, lambda image: image.verify())


def _opened(file: Path, use: Any) -> Any:
    try:
        with Image.open(file) as image:
            return use(image)
    except FileNotFoundError as error:
        raise DataError(
            f"picture {file} is missing; add it, or name the folder of pictures with --image-root"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{file} cannot be read as a picture ({error}); replace it") from error


def fingerprint(root: Path | None) -> str:
    """Return a hash of the folder's raw data, events and pictures."""
    return hash_of_files(require_bids(root), skip=NOT_RAW)


def fingerprint_of(root: Path, recordings: Iterable[str]) -> str:
    """Return a hash of a folder, without what runs wrote into it unless a recording lies there.

    Parameters
    ----------
    root : Path
    recordings : iterable of str
        Paths inside the folder.
    """
    used = any(name.startswith(f"{OUTPUT}/") for name in recordings)
    return hash_of_files(root, skip=() if used else (OUTPUT,))


def hash_of_files(root: Path, skip: Sequence[str] = ()) -> str:
    """Return a hash of all files but hidden ones and those of the folders `skip`.

    Small files count by content, large ones by size and time of change.
    """
    whole = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        inside = path.relative_to(root)
        if inside.parts[0] in skip or any(part.startswith(".") for part in inside.parts):
            continue
        status = path.stat()
        if status.st_size < HASHED_BELOW:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            content = f"{status.st_size} {status.st_mtime_ns}"
        whole.update(f"{inside.as_posix()}\0{content}\n".encode())
    return whole.hexdigest()


def _plain(label: str | None) -> str:
    if label is None:
        return "1"
    return str(int(label)) if label.isdecimal() else label


def natural(label: str) -> tuple[int, int, str]:
    """Return what to sort by: numbers first, by size."""
    return (0, int(label), "") if label.isdecimal() else (1, 0, label)
