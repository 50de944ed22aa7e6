"""Which released file a band of the 40-class set is read from, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.contracts import DataError
from zoo.datasets._segments import FILTER

RAW = "eeg_signals_raw_with_mean_std.pth"
#: Band in Hz -> the released file that was filtered to it.
RELEASED = {
    (5.0, 95.0): "eeg_5_95_std.pth",
    (14.0, 70.0): "eeg_14_70_std.pth",
    (55.0, 95.0): "eeg_55_95_std.pth",
}


def data_file(root: Path | None, band: tuple[float, float] | None, *, refilter: bool) -> Path:
    """Return the file that a band is read from: its own where one was released, else the raw one.

    Raises
    ------
    DataError
        If there is no root, or the file is not in it. A missing file is never made up for by
        filtering the raw one: the two differ.
    """
    if root is None:
        raise DataError(
            "dataset 'eeg_imagenet40' reads released files; name their folder with --data-root"
        )
    name = RAW if refilter or band is None else RELEASED.get(band, RAW)
    if not (root / name).is_file():
        known = [*RELEASED.values(), RAW]
        there = ", ".join(n for n in known if (root / n).is_file()) or "none of the data files"
        what = "unfiltered EEG" if band is None else f"the band [{band[0]:g}, {band[1]:g}] Hz"
        raise DataError(
            f"{root} does not hold {name}, which {what} needs; it holds {there}. Fetch it from "
            "the data set's authors (docs/data.md says where), or choose another "
            "dataset.params.band"
        )
    return root / name


def source_note(file: Path, band: Sequence[float] | None) -> str:
    """Return the sentence of the results about the file and the filter."""
    if band is None:
        return (
            f"EEG of {file.name}, scaled by the means and deviations in it, unfiltered: slow "
            "drift, which betrays blocks, is in it"
        )
    low, high = band
    if file.name != RAW:
        return f"EEG of {file.name}: filtered at {low:g}-{high:g} Hz and scaled by its authors"
    return (
        f"EEG of {file.name}, scaled by the means and deviations in it, filtered here at {low:g}-"
        f"{high:g} Hz with {FILTER}. Segments last about half a second, so slow drift, which "
        "betrays blocks, largely stays: not comparable with a recording filtered whole"
    )
