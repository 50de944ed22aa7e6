"""Filtering, resampling and cutting of continuous EEG, on more than a trial at a time.

A filter needs a stretch much longer than a trial: a 1 Hz high-pass on half a second removes
nothing of what it should. So recordings are filtered whole, then cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from zoo.contracts import DataError


def band_limits(
    band: Sequence[float] | None, sfreq: float, resample: float | None = None
) -> tuple[float, float] | None:
    """Return `band` as two numbers, checked against the sampling rate.

    Parameters
    ----------
    band : [low, high] or None
    sfreq : float
        Rate of the recording.
    resample : float, optional
        Rate that it is brought to after the filter.

    Raises
    ------
    DataError
        If it is not two rising numbers below half of the lower rate.
    """
    if band is None:
        return None
    if len(band) != 2 or not 0 < band[0] < band[1]:
        raise DataError(f"band is {list(band)}; it takes [low, high] in Hz, for example [5, 95]")
    low, high = float(band[0]), float(band[1])
    rate, made = sfreq, "sampled at"
    if resample is not None and resample < sfreq:
        rate, made = resample, "resampled to"
    if high >= rate / 2:
        raise DataError(
            f"band is [{low:g}, {high:g}] Hz, but the EEG is {made} {rate:g} Hz and holds "
            f"nothing from {rate / 2:g} Hz up; lower the upper limit"
        )
    return low, high


def window_samples(window: Sequence[float], sfreq: float) -> tuple[int, int]:
    """Return first sample relative to onset and number of samples of `window` (seconds).

    Raises
    ------
    DataError
        If it is not two rising numbers at least two samples apart.
    """
    if len(window) != 2 or not window[0] < window[1]:
        raise DataError(f"window is {list(window)}; it takes [start, stop] in seconds from onset")
    n_times = round((window[1] - window[0]) * sfreq)
    if n_times < 2:
        raise DataError(
            f"window {list(window)} s holds {n_times} samples at {sfreq:g} Hz; widen it"
        )
    return round(window[0] * sfreq), n_times


def band_pass(eeg_CP: np.ndarray, sfreq: float, band: tuple[float, float] | None) -> np.ndarray:
    """Filter a recording without phase shift (MNE's default FIR, Hamming window).

    The transition is 2 Hz wide at 5 Hz and 1 Hz wide at 1 Hz (MNE's rule), so that what lies
    below 3 Hz is gone after [5, 95].
    """
    if band is None:
        return eeg_CP
    import mne

    return mne.filter.filter_data(
        eeg_CP.astype(np.float64), sfreq, band[0], band[1], verbose="error", copy=False
    )


def resample(eeg_CP: np.ndarray, sfreq: float, target: float | None) -> np.ndarray:
    """Resample a recording with an anti-aliasing filter; None leaves it."""
    if target is None or target == sfreq:
        return eeg_CP
    from scipy.signal import resample_poly  # half a second, which no plan should wait for

    ratio = Fraction(target / sfreq).limit_denominator(1000)
    return resample_poly(eeg_CP, ratio.numerator, ratio.denominator, axis=-1)


def cut(eeg_CP: np.ndarray, starts_N: np.ndarray, n_times: int) -> np.ndarray:
    """Cut trials that lie inside the recording, (N, C, n_times) float32."""
    assert starts_N.min() >= 0 and starts_N.max() + n_times <= eeg_CP.shape[1]
    windows_CPT = np.lib.stride_tricks.sliding_window_view(eeg_CP, n_times, axis=1)
    return windows_CPT[:, starts_N].transpose(1, 0, 2).astype(np.float32)
