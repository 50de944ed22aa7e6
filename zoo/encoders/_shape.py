"""The shape check that every encoder makes before its first layer."""

from __future__ import annotations

from torch import Tensor


def require_shape(eeg_BCT: Tensor, *, name: str, n_chans: int, n_times: int) -> None:
    """Raise if the EEG is not what the encoder was built for.

    Parameters
    ----------
    eeg_BCT : Tensor (B, C, T)
    name : str
        The encoder's registered name, for the message.
    n_chans, n_times : int
        What it was built for.

    Raises
    ------
    ValueError
        The number of channels or samples differs, or there are not three axes.
    """
    if eeg_BCT.dim() != 3 or tuple(eeg_BCT.shape[1:]) != (n_chans, n_times):
        got = tuple(eeg_BCT.shape[1:]) if eeg_BCT.dim() == 3 else tuple(eeg_BCT.shape)
        raise ValueError(f"{name} was built for {(n_chans, n_times)}, got {got}")
