"""EEG that people bring: arrays and MNE epochs, held against what the encoder was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from zoo.contracts import DataError, SignalInfo


def trials_of(
    eeg: Any, signal: SignalInfo, sfreq: float | None = None, start: float | None = None
) -> tuple[np.ndarray, list[str] | None]:
    """Return EEG (N, C, T) float32 in the unit of `signal`, and the trials' ids where it has them.

    Parameters
    ----------
    eeg : array (N, C, T), or mne.Epochs
        An array has the channels of `signal` in its order and its unit. Of epochs the channels are
        taken by name, volts become the unit of `signal`, and a column ``trial_id`` of the metadata
        gives the ids.
    signal : SignalInfo
    sfreq : float, optional
        Of an array, to be checked.
    start : float, optional
        Where the window of training begins, in seconds from onset; epochs have to begin there.

    Raises
    ------
    DataError
        Channels, sampling rate, window or unit are others than in training, or values are no
        numbers.
    """
    ids = None
    if hasattr(eeg, "get_data") and hasattr(eeg, "ch_names"):
        eeg, ids, sfreq = _of_epochs(eeg, signal, start)
    eeg_NCT = np.asarray(eeg)
    _require_rate(sfreq, signal)
    _require_shape(eeg_NCT, signal)
    if not np.isfinite(eeg_NCT).all():
        bad = int(np.flatnonzero(~np.isfinite(eeg_NCT).all((1, 2)))[0])
        raise DataError(f"trial {bad} holds NaN or infinite EEG values; repair it or leave it out")
    return np.ascontiguousarray(eeg_NCT, np.float32), ids


def read_eeg(file: Path) -> Any:
    """Return the array of a ``.npy`` file or the epochs of an ``-epo.fif`` file.

    Raises
    ------
    DataError
        There is no such file, it is neither, or it cannot be read.
    """
    if not file.is_file():
        raise DataError(f"there is no file {file}")
    if file.suffix == ".npy":
        try:
            return np.load(file, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise DataError(
                f"{file} is not a plain array ({error}); write it with numpy.save, "
                "numbers of shape (trials, channels, samples)"
            ) from error
    if not file.name.endswith(("epo.fif", "epo.fif.gz")):
        raise DataError(
            f"{file} is neither an array (.npy) nor saved epochs (-epo.fif); save one of them with "
            "numpy.save or mne.Epochs.save"
        )
    import mne

    try:
        return mne.read_epochs(file, verbose="error")
    except (ValueError, OSError, RuntimeError) as error:
        raise DataError(f"{file}: MNE cannot read epochs from it ({error})") from error


def _of_epochs(
    epochs: Any, signal: SignalInfo, start: float | None
) -> tuple[np.ndarray, list[str] | None, float]:
    if signal.scale != "microvolt":
        raise DataError(
            f"the encoder was trained on EEG in the unit {signal.scale!r}, epochs are in volts; "
            "give an array scaled as the data set's instead"
        )
    absent = [name for name in signal.ch_names if name not in epochs.ch_names]
    if absent:
        raise DataError(
            f"the epochs lack {len(absent)} of the {signal.n_chans} channels that the encoder was "
            f"trained on: {', '.join(absent)} (they have {', '.join(epochs.ch_names)}); rename "
            "them with epochs.rename_channels, or record them"
        )
    _require_rate(float(epochs.info["sfreq"]), signal)
    _require_start(float(epochs.tmin), start, signal)
    kept = epochs.copy().load_data()  # load_data leaves out the epochs marked as bad
    order = [kept.ch_names.index(name) for name in signal.ch_names]
    eeg_NCT = kept.get_data(copy=False)[:, order] * 1e6
    ids = None
    if kept.metadata is not None and "trial_id" in kept.metadata:
        ids = [str(name) for name in kept.metadata["trial_id"]]
    return eeg_NCT, ids, float(kept.info["sfreq"])


def _require_rate(sfreq: float | None, signal: SignalInfo) -> None:
    if sfreq is not None and abs(sfreq - signal.sfreq) > 1e-3:
        raise DataError(
            f"the EEG has {sfreq:g} samples per second, the encoder was trained on "
            f"{signal.sfreq:g}; resample it first: epochs.resample({signal.sfreq:g})"
        )


def _require_start(tmin: float, start: float | None, signal: SignalInfo) -> None:
    """Raise unless epochs begin where the window of training does, to half a sample."""
    if start is None or abs(tmin - start) * signal.sfreq < 0.5 + 1e-3:  # a half is rounded
        return
    stop = start + signal.n_times / signal.sfreq
    raise DataError(
        f"the epochs begin {tmin:g} s from onset, the encoder was trained on a window that begins "
        f"at {start:g} s; cut out the same window: epochs.crop({start:g}, {stop:g}, "
        "include_tmax=False)"
    )


def _require_shape(eeg_NCT: np.ndarray, signal: SignalInfo) -> None:
    built = (signal.n_chans, signal.n_times)
    seconds = signal.n_times / signal.sfreq
    about = (
        f"the encoder was trained on trials of {signal.n_chans} channels x {signal.n_times} "
        f"samples ({seconds:g} s at {signal.sfreq:g} Hz)"
    )
    if eeg_NCT.ndim != 3 or eeg_NCT.dtype.kind not in "fiu":
        raise DataError(
            f"EEG must be numbers of shape (trials, channels, samples), got {eeg_NCT.dtype} of "
            f"shape {eeg_NCT.shape}; {about}; one trial alone is eeg[None]"
        )
    if eeg_NCT.shape[1:] == built and len(eeg_NCT):
        return
    if not len(eeg_NCT):
        raise DataError(f"the EEG holds no trial; {about}")
    if eeg_NCT.shape[1:] == built[::-1]:
        remedy = "channels and samples are swapped: eeg.transpose(0, 2, 1)"
    elif eeg_NCT.shape[1] != signal.n_chans:
        remedy = f"give it these channels, in this order: {', '.join(signal.ch_names)}"
    else:
        remedy = (
            f"cut out the same window: epochs.crop(start, start + {seconds:g}, include_tmax=False)"
        )
    raise DataError(f"{about}, got {eeg_NCT.shape[1]} x {eeg_NCT.shape[2]}; {remedy}")
