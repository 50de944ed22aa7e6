"""Finding one's way in a folder with trials.csv: its rows, the recording of each, arrays."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zoo.contracts import DataError
from zoo.datasets._bids_files import read_tsv
from zoo.datasets._headers import eeg_channels
from zoo.datasets._trial_table import checked_rows, leads_out, name_trials

if TYPE_CHECKING:
    import mne

TRIALS = "trials.csv"
REQUIRED = ("onset", "image", "label", "subject", "run")
FIELDS = ("subject", "session", "run")
#: Endings that are tried where a recording is named without one; any that MNE reads can be named.
ENDINGS = (
    ".npy", ".vhdr", ".edf", ".bdf", ".gdf", ".set", ".fif", ".fif.gz", ".cnt", ".mff", ".nxe",
    ".lay", ".snirf",
)  # fmt: skip
#: What the description of an array says.
DESCRIPTION = {"sfreq", "ch_names", "unit"}
VOLTS = {"microvolt": 1e-6, "volt": 1.0}


@dataclass(frozen=True)
class FolderRecording:
    """A file and the rows of trials.csv that belong to it.

    Attributes
    ----------
    path : Path
    name : str
        Path inside the folder, for messages.
    subject_name : str
    rows : DataFrame
        From `read_trials`.
    """

    path: Path
    name: str
    subject_name: str
    rows: pd.DataFrame


def require_folder(root: Path | None) -> Path:
    """Return `root` if it is a folder with trials.csv, else raise DataError."""
    if root is None:
        raise DataError("dataset 'folder' reads recordings; name their folder with --data-root")
    if not root.is_dir():
        raise DataError(f"data root {root} is no folder; name one that holds {TRIALS}")
    if not (root / TRIALS).is_file():
        raise DataError(
            f"{root} holds no {TRIALS}; write one with the columns {', '.join(REQUIRED)}, or name "
            "the folder that holds it with --data-root"
        )
    return root


def read_trials(root: Path | None) -> pd.DataFrame:
    """Return all trials: what `checked_rows` returns, and ``recording`` ("" where not named).

    Raises
    ------
    DataError
        If the folder or the table is missing, a column is missing, or a row cannot be used.
    """
    table = read_tsv(require_folder(root) / TRIALS, sep=",")
    table.columns = table.columns.str.strip()
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        hint = ""
        if len(table.columns) == 1 and ";" in table.columns[0]:
            hint = "; separate columns with commas, not semicolons"
        raise DataError(
            f"{TRIALS} has no column {missing[0]!r}; it needs {', '.join(REQUIRED)} and has: "
            f"{', '.join(table.columns)}{hint}"
        )
    if table.empty:
        raise DataError(f"{TRIALS} holds no trial; write one row for each")
    rows = name_trials(checked_rows(table, line))
    if "recording" not in rows:
        rows["recording"] = ""
    for i, recording in enumerate(rows.recording):
        if leads_out(recording):
            raise DataError(f"{line(i)}: recording is {recording!r}; it must lie inside {root}")
    return rows


def line(row: int) -> str:
    """Return where a row stands."""
    return f"{TRIALS} line {row + 2}"


def check_pattern(pattern: str) -> None:
    """Raise DataError unless a name pattern has no placeholder but those of `FIELDS`, plain."""
    try:
        parsed = [part[1:] for part in string.Formatter().parse(pattern) if part[1] is not None]
    except ValueError as error:
        raise DataError(f"{pattern!r} is no name pattern ({error})") from error
    unknown = [name for name, _, _ in parsed if name not in FIELDS]
    formatted = [name for name, spec, conversion in parsed if spec or conversion]
    if unknown or formatted or leads_out(pattern):
        if unknown:
            what = f"holds {{{unknown[0]}}}"
        elif formatted:
            what = f"says how {formatted[0]} is to be written (':' or '!'), which is not possible"
        else:
            what = "leads out of the folder"
        raise DataError(
            f"{pattern!r} {what}; it takes a path inside the folder with {{subject}}, {{session}} "
            "and {run}"
        )


def recording_names(rows: pd.DataFrame, pattern: str) -> np.ndarray:
    """Return which recording each row names, or is given by the pattern."""
    named = [
        row.recording or pattern.format(**{field: getattr(row, field) for field in FIELDS})
        for row in rows.itertuples()
    ]
    return np.array(named, object)


def recordings_of(root: Path, rows: pd.DataFrame, pattern: str) -> list[FolderRecording]:
    """Return the recordings that the rows name, in the order of the rows.

    Raises
    ------
    DataError
        If a row's recording is not there, is there twice, belongs to two subjects, or does not
        lie inside `root`.
    """
    recordings = []
    for name, own in rows.groupby(recording_names(rows, pattern), sort=False):
        at = line(int(own.index[0]))
        if leads_out(str(name)):
            raise DataError(
                f"{at} belongs to the recording {name}, which does not lie inside {root}; correct "
                "its subject, session or run"
            )
        path = _file(root, str(name), at)
        subjects = own.subject.unique()
        if len(subjects) > 1:
            raise DataError(
                f"{TRIALS}: rows of the subjects {subjects[0]!r} and {subjects[1]!r} name the same "
                f"recording {name}; correct the column recording, or put {{subject}} into "
                "dataset.params.recordings"
            )
        inside = path.relative_to(root).as_posix()
        recordings.append(FolderRecording(path, inside, subjects[0], own))
    return recordings


def _file(root: Path, name: str, at: str) -> Path:
    """Return the file called `name`, written with or without its ending."""
    path = root / name
    if path.exists() and not (path.is_dir() and path.suffix not in ENDINGS):
        return path
    found = [path.with_name(path.name + ending) for ending in ENDINGS]
    found = [candidate for candidate in found if candidate.exists()]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(candidate.name for candidate in found)
        raise DataError(
            f"{at} belongs to the recording {name}, but there are {names}; keep one of them, or "
            "name the file with its ending in a column recording"
        )
    raise DataError(
        f"{at} belongs to the recording {name}, which is not in {root}; put it there, name the "
        "file in a column recording, or give the names' pattern with dataset.params.recordings"
    )


def recording_info(recording: FolderRecording) -> mne.Info:
    """Return the header of a recording's EEG channels, without reading its samples."""
    if recording.path.suffix == ".npy":
        return _array(recording)[1]
    return _read(recording, preload=False).info


def open_file(recording: FolderRecording) -> mne.io.BaseRaw:
    """Return the EEG channels of a recording, its samples in memory.

    Raises
    ------
    DataError
        If it cannot be read, holds no EEG, or is an array that its description does not fit.
    """
    if recording.path.suffix != ".npy":
        return _read(recording, preload=True)
    import mne

    data_CP, info, volts = _array(recording)
    return mne.io.RawArray(np.asarray(data_CP, np.float64) * volts, info, verbose="error")


def _read(recording: FolderRecording, *, preload: bool) -> mne.io.BaseRaw:
    import mne

    try:
        raw = mne.io.read_raw(recording.path, preload=preload, verbose="error")
    except Exception as error:  # a damaged file fails in as many ways as MNE has readers
        reason = " ".join(str(error).split())
        raise DataError(
            f"{recording.name} cannot be read as EEG: {reason}; replace it with a file that "
            "mne.io.read_raw reads"
        ) from error
    return raw.pick(eeg_channels(raw, recording.name))


def _array(recording: FolderRecording) -> tuple[np.ndarray, mne.Info, float]:
    """Return an array (C, P), memory-mapped, what its description says, and volts per unit."""
    import mne

    try:
        data_CP = np.load(recording.path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{recording.name} cannot be read as an array: {reason}") from error
    about, said = _description(recording)
    ch_names, sfreq = about["ch_names"], about["sfreq"]
    if data_CP.ndim != 2 or data_CP.dtype.kind not in "iuf":
        raise DataError(
            f"{recording.name} has the shape {data_CP.shape} and type {data_CP.dtype}; it takes "
            "real numbers as (channels, samples)"
        )
    if data_CP.shape[0] != len(ch_names):
        raise DataError(
            f"{recording.name} has the shape {data_CP.shape}, but {said} names {len(ch_names)} "
            "channels; save it as (channels, samples)"
        )
    return data_CP, mne.create_info(ch_names, float(sfreq), "eeg"), VOLTS[about["unit"]]


def _description(recording: FolderRecording) -> tuple[dict[str, Any], str]:
    """Return what is said of an array, by a JSON of its name or by array.json beside it."""
    own, common = recording.path.with_suffix(".json"), recording.path.with_name("array.json")
    file = own if own.is_file() else common
    if not file.is_file():
        raise DataError(
            f"{recording.name} needs {own.name} or array.json beside it, for example "
            '{"sfreq": 250, "ch_names": ["Fz", "Cz"], "unit": "microvolt"}'
        )
    try:
        about = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{file.name} cannot be read as JSON: {error}") from error
    if not isinstance(about, dict) or set(about) != DESCRIPTION:
        there = ", ".join(sorted(about)) if isinstance(about, dict) else "no mapping"
        raise DataError(f"{file.name} takes sfreq, ch_names and unit, and holds: {there}")
    _check(file, "sfreq", about, _is_rate(about["sfreq"]), "a number of Hz")
    _check(file, "ch_names", about, _are_names(about["ch_names"]), "a list of different names")
    _check(file, "unit", about, about["unit"] in list(VOLTS), " or ".join(VOLTS))
    return about, file.name


def _check(file: Path, key: str, about: dict[str, Any], good: bool, takes: str) -> None:
    if not good:
        raise DataError(f"{file.name}: {key} is {about[key]!r}; it takes {takes}")


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6


def _are_names(value: Any) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return False
    return all(isinstance(name, str) for name in value) and len(set(value)) == len(value)
