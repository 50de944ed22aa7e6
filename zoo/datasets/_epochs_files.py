"""Finding one's way among saved epochs: the files, their metadata, what was done before saving."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zoo.contracts import DataError
from zoo.datasets._bids_files import natural
from zoo.datasets._trial_table import checked_rows

if TYPE_CHECKING:
    import mne

NAMES = re.compile(r"(?P<stem>.+)[-_]epo\.fif(\.gz)?")
#: MNE names the parts of a large file; it finds the later ones itself.
LATER_PART = re.compile(r"_split-(?!01)\d+_")
#: Metadata that are used; label has to be there.
COLUMNS = ("label", "image", "subject", "session", "run", "block", "onset")


@dataclass(frozen=True)
class EpochsFile:
    """One file of epochs.

    Attributes
    ----------
    path : Path
    name : str
        Path inside the folder, for messages.
    """

    path: Path
    name: str


def find_epochs(root: Path | None) -> list[EpochsFile]:
    """Return the files of epochs anywhere in a folder, in the order of their names.

    Raises
    ------
    DataError
        If the folder is missing or holds none.
    """
    if root is None:
        raise DataError("dataset 'epochs' reads saved epochs; name their folder with --data-root")
    if not root.is_dir():
        raise DataError(f"data root {root} is no folder; name one that holds *-epo.fif files")
    found = [
        EpochsFile(path, path.relative_to(root).as_posix())
        for path in root.rglob("*epo.fif*")
        if NAMES.fullmatch(path.name) and not LATER_PART.search(path.name)
    ]
    if not found:
        raise DataError(
            f"{root} holds no saved epochs; it takes files named like anna-epo.fif, as "
            "mne.Epochs.save writes them"
        )
    return sorted(found, key=lambda file: [natural(part) for part in _parts(file.name)])


def _parts(name: str) -> list[str]:
    return re.split(r"(\d+)", name)


def open_header(file: EpochsFile) -> mne.BaseEpochs:
    """Return saved epochs without samples (they cannot be loaded later), as `open_epochs`."""
    epochs = open_epochs(file, preload=False)
    for part in epochs._raw:  # MNE keeps the file open until the garbage is collected
        part.fid.close()
    return epochs


def open_epochs(file: EpochsFile, *, preload: bool = True) -> mne.BaseEpochs:
    """Return saved epochs with all their channels; projectors are applied, as MNE does.

    Raises
    ------
    DataError
        If the file cannot be read, or holds no epoch.
    """
    import mne

    try:
        epochs = mne.read_epochs(file.path, preload=preload, verbose="error")
    except Exception as error:  # a damaged file fails in as many ways as FIF has tags
        reason = " ".join(str(error).split())
        raise DataError(f"{file.name} cannot be read as epochs: {reason}") from error
    if len(epochs) == 0:
        raise DataError(f"{file.name} holds no epoch; remove it")
    return epochs


def rows_of(file: EpochsFile, epochs: mne.BaseEpochs) -> pd.DataFrame:
    """Return the trials of a file, as `checked_rows` does.

    What the metadata do not say is taken from a file name such as ``sub-01_ses-2_run-3-epo.fif``
    (any other name is the subject), the onset from the event's sample.

    Raises
    ------
    DataError
        If there are no metadata, no column ``label``, or a row cannot be used.
    """
    metadata = epochs.metadata
    if metadata is None:
        raise DataError(
            f"{file.name} holds no metadata; set epochs.metadata to a table with the columns "
            "label and image before epochs.save"
        )
    if "label" not in metadata:
        raise DataError(
            f"the metadata of {file.name} have no column 'label'; they have: "
            f"{', '.join(map(str, metadata.columns))}"
        )
    table = pd.DataFrame(
        {name: [_text(value) for value in metadata[name]] for name in COLUMNS if name in metadata}
    )
    match = NAMES.fullmatch(file.path.name)
    assert match is not None
    stem = match["stem"]
    entities = dict(re.findall(r"(?:^|_)(sub|ses|run)-([^_-]+)", stem))
    otherwise = {"subject": entities.get("sub", stem), "run": entities.get("run", "1")}
    if "ses" in entities:
        otherwise["session"] = entities["ses"]
    for column, value in otherwise.items():
        if column not in table:
            table[column] = value
    if "onset" not in table:
        table["onset"] = [str(v) for v in epochs.events[:, 0] / float(epochs.info["sfreq"])]
    return checked_rows(table, lambda row: f"{file.name}, epoch {row}")


def _text(value: Any) -> str:
    """Return a cell of metadata as text: 3.0 is "3", a missing value is ""."""
    if pd.isna(value):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def own_band(epochs: mne.BaseEpochs) -> tuple[float, float]:
    """Return the band in Hz that the epochs' header states (0 and half the rate: unfiltered)."""
    info = epochs.info
    nyquist = float(info["sfreq"]) / 2
    return float(info["highpass"]), min(float(info["lowpass"] or nyquist), nyquist)


def narrow(
    file: EpochsFile, epochs: mne.BaseEpochs, band: tuple[float, float]
) -> tuple[float | None, float | None]:
    """Return which ends of `band` a filter has yet to make; None where nothing is left to do.

    Raises
    ------
    DataError
        If the band is wider than the epochs' own, or its filter longer than an epoch.
    """
    import mne

    low, high = own_band(epochs)
    if band[0] < low or band[1] > high:
        raise DataError(
            f"band is [{band[0]:g}, {band[1]:g}] Hz, but {file.name} was saved after a filter to "
            f"{low:g} - {high:g} Hz, and what that took away is gone; choose a band inside it, or "
            "none"
        )
    ends = (band[0] if band[0] > low else None, band[1] if band[1] < high else None)
    if ends == (None, None):
        return ends
    sfreq, n_times = float(epochs.info["sfreq"]), len(epochs.times)
    length = len(mne.filter.create_filter(None, sfreq, *ends, verbose="error"))
    if length > n_times:
        raise DataError(
            f"band [{band[0]:g}, {band[1]:g}] Hz takes a filter of {length / sfreq:.2g} s, but the "
            f"epochs of {file.name} last {n_times / sfreq:.2g} s; filter the recordings before "
            "they are cut, or choose a band whose lower end the epochs already have "
            f"({low:g} Hz)"
        )
    return ends


def rejected_before(epochs: mne.BaseEpochs) -> int:
    """Return how many epochs were rejected before the file was saved."""
    return sum(1 for log in epochs.drop_log if log and "IGNORED" not in log)


def require_numbers(file: EpochsFile, eeg_NCT: np.ndarray, ch_names: Sequence[str]) -> None:
    """Raise DataError if a sample is not a number."""
    bad = np.argwhere(~np.isfinite(eeg_NCT))
    if len(bad):
        epoch, channel, _ = bad[0]
        raise DataError(
            f"{file.name}: {len(bad)} samples are not numbers (NaN), the first in epoch {epoch}, "
            f"channel {ch_names[channel]}; drop these epochs, or repair the recording"
        )
