"""Filtering and cutting of segments that were cut before anyone filtered them.

A high-pass needs a stretch much longer than one period of its limit. Half a second has no such
stretch at 1 Hz: offset and slow drift largely stay, whatever the filter. So what is made here is
not what filtering the recording whole would give, and results say so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.datasets._filtering import resample, window_samples

ORDER = 2
FILTER = (
    f"a Butterworth band-pass (scipy.signal.butter, order {ORDER}) run forward and backward over "
    "each segment, its ends mirrored"
)


def band_pass_segment(
    segment_CP: np.ndarray, sfreq: float, band: tuple[float, float] | None
) -> np.ndarray:
    """Return the segment filtered without phase shift, float64; None leaves it.

    The ends are continued by their mirror image through the end point, as far as the segment is
    long, so that the filter has settled where the segment begins.
    """
    if band is None:
        return segment_CP
    from scipy.signal import butter, sosfiltfilt  # slow to import

    sections = butter(ORDER, band, "bandpass", fs=sfreq, output="sos")
    return sosfiltfilt(sections, segment_CP, axis=1, padlen=segment_CP.shape[1] - 1)


def cut_segment(
    segment_CP: np.ndarray, sfreq: float, target: float | None, window: Sequence[float]
) -> np.ndarray:
    """Resample a segment that begins at onset and return the window, (C, T).

    Raises
    ------
    DataError
        If the window is not two rising numbers.
    """
    segment_CP = resample(segment_CP, sfreq, target)
    start, n_times = window_samples(window, target or sfreq)
    assert start >= 0 and start + n_times <= segment_CP.shape[1]
    return segment_CP[:, start : start + n_times]


def last_sample_needed(sfreq: float, target: float | None, window: Sequence[float]) -> int:
    """Return how many samples, before resampling, a segment must have to hold the window."""
    start, n_times = window_samples(window, target or sfreq)
    return int(np.ceil((start + n_times) * sfreq / (target or sfreq)))
