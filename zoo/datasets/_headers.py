"""What a recording's header must hold (EEG channels, rate, band), and the signal it promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zoo.contracts import DataError, SignalInfo
from zoo.datasets._filtering import band_limits, window_samples

if TYPE_CHECKING:
    import mne


class Named(Protocol):
    """A recording, as far as messages need it."""

    @property
    def name(self) -> str:
        """Return the file's name."""
        ...


def recorded_signal(
    info: mne.Info,
    first: Named,
    *,
    channels: Sequence[str] | None,
    window: Sequence[float],
    band: Sequence[float] | None,
    resample: float | None,
    n_subjects: int,
    class_names: tuple[str, ...],
) -> SignalInfo:
    """Return what trials cut from continuous recordings look like, from the first one's header.

    Parameters
    ----------
    info : mne.Info
        Of the EEG channels of `first`.
    first : Named
        The first recording, for messages.
    channels, window, band, resample
        Parameters of the data set.
    n_subjects, class_names
        Of the data set.

    Raises
    ------
    DataError
        If a channel is missing, or window or band do not fit the sampling rate.
    """
    ch_names = tuple(channels or info["ch_names"])
    require_channels(info["ch_names"], ch_names, first)
    recorded = float(info["sfreq"])
    sfreq = float(resample or recorded)
    return SignalInfo(
        n_chans=len(ch_names),
        n_times=window_samples(window, sfreq)[1],
        sfreq=sfreq,
        ch_names=ch_names,
        ch_pos=electrode_positions(info, ch_names),
        scale="microvolt",
        band=band_limits(band, recorded, resample),
        reference="as recorded",
        n_subjects=n_subjects,
        class_names=class_names,
    )


def eeg_channels(raw: mne.io.BaseRaw | mne.BaseEpochs, name: str) -> list[str]:
    """Return the channels of type EEG of a recording or epochs; DataError where there are none."""
    eeg = [
        channel
        for channel, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True)
        if kind == "eeg"
    ]
    if not eeg:
        raise DataError(f"{name} holds no channel of type EEG")
    return eeg


def require_channels(ch_names: Sequence[str], wanted: Sequence[str], recording: Named) -> None:
    """Raise DataError unless all `wanted` channels are there."""
    missing = [name for name in wanted if name not in ch_names]
    if missing:
        raise DataError(
            f"{recording.name} holds {len(ch_names)} EEG channels and lacks "
            f"{', '.join(missing)} of the {len(wanted)} wanted; choose channels that all "
            "recordings have with dataset.params.channels"
        )


def require_rate(
    raw: mne.io.BaseRaw,
    recording: Named,
    signal: SignalInfo,
    band: Sequence[float] | None,
    resample: float | None,
) -> None:
    """Raise DataError unless the recording's sampling rate fits the others' and holds the band."""
    rate = float(raw.info["sfreq"])
    if resample is None and rate != signal.sfreq:
        raise DataError(
            f"{recording.name} is sampled at {rate:g} Hz, the first recording at "
            f"{signal.sfreq:g} Hz; choose one rate with dataset.params.resample"
        )
    try:
        band_limits(band, rate, resample)
    except DataError as error:
        raise DataError(f"{recording.name}: {error}") from error


def electrode_positions(
    info: mne.Info, ch_names: Sequence[str]
) -> tuple[tuple[float, ...], ...] | None:
    """Return the electrodes' positions, or None where the recording does not have them all."""
    places = {channel["ch_name"]: channel["loc"][:3] for channel in info["chs"]}
    positions = np.array([places[name] for name in ch_names])
    if not np.isfinite(positions).all() or not positions.any(axis=1).all():
        return None
    return tuple(tuple(float(v) for v in xyz) for xyz in positions)
