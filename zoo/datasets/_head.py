"""A simulated head: 32 electrodes, cortical dipoles, and the sphere model that joins them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mne

#: 32 electrodes of the extended 10-20 system (names of MNE's standard_1005 montage).
CH_NAMES = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "FC5", "FC1", "FC2", "FC6",
    "T7", "C3", "Cz", "C4", "T8", "CP5", "CP1", "CP2", "CP6",
    "P7", "P3", "Pz", "P4", "P8", "PO7", "PO3", "PO4", "PO8", "O1", "Oz", "O2",
)  # fmt: skip
N_DIPOLES = 48
DEPTH = 0.062  # metres from the centre of the head; the brain of the model ends near 0.085


@dataclass(frozen=True)
class Head:
    """Leadfield of the simulated head.

    Attributes
    ----------
    ch_pos : array (C, 3)
        Electrodes, metres, head coordinates.
    leadfield_CSx : array (C, S, 3)
        Volt per ampere-metre of each dipole along x, y and z.
    outward_Sx : array (S, 3)
        Unit vector from the centre of the head through each dipole.
    eyes : slice
        The two dipoles that blink; every dipole before them is cortex.
    """

    ch_pos: np.ndarray
    leadfield_CSx: np.ndarray
    outward_Sx: np.ndarray
    eyes: slice

    def visual(self) -> np.ndarray:
        """Return the indices of the dipoles in the back half of the head, where pictures act."""
        return np.flatnonzero(self.outward_Sx[: self.eyes.start, 1] < 0.05)

    def occipital(self) -> np.ndarray:
        """Return the indices of the six rearmost dipoles, where alpha comes from."""
        return np.argsort(self.outward_Sx[: self.eyes.start, 1])[:6]


def _dome(n_points: int) -> np.ndarray:
    """Spread points evenly over the upper part of a unit sphere (a Fibonacci lattice)."""
    turn = np.arange(n_points) * np.pi * (3 - np.sqrt(5))
    z = np.linspace(0.97, -0.25, n_points)
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


@lru_cache(maxsize=2)
def montage_positions(ch_names: tuple[str, ...] = CH_NAMES) -> np.ndarray:
    """Return the electrodes' positions, (C, 3) metres, head coordinates."""
    return np.array([channel["loc"][:3] for channel in _info(ch_names)["chs"]])


def dense_cap(n_chans: int) -> tuple[str, ...]:
    """Return the names of so many electrodes, spread over MNE's standard_1005 montage."""
    import mne

    with mne.utils.use_log_level("error"):
        names = mne.channels.make_standard_montage("standard_1005").ch_names
    distinct = names[: names.index("T3")]  # older names of the same places come last
    return tuple(distinct[i] for i in np.linspace(0, len(distinct) - 1, n_chans).astype(int))


def _info(ch_names: tuple[str, ...]) -> mne.Info:
    import mne

    info = mne.create_info(list(ch_names), 250.0, "eeg")
    with mne.utils.use_log_level("error"):
        info.set_montage("standard_1005")
    return info


@lru_cache(maxsize=2)
def build_head(ch_names: tuple[str, ...] = CH_NAMES) -> Head:
    """Solve the forward problem of MNE's four-layer sphere once per process (about 1 s)."""
    import mne

    info = _info(ch_names)
    with mne.utils.use_log_level("error"):
        sphere = mne.make_sphere_model("auto", "auto", info)
        eyes = np.array([[-0.32, 0.90, -0.30], [0.32, 0.90, -0.30]])
        outward = np.concatenate([_dome(N_DIPOLES), eyes / np.linalg.norm(eyes, axis=1)[:, None]])
        where = {"rr": sphere["r0"] + DEPTH * outward, "nn": outward}
        sources = mne.setup_volume_source_space(pos=where, sphere_units="m")
        forward = mne.make_forward_solution(
            info, trans=None, src=sources, bem=sphere, meg=False, eeg=True
        )
    leadfield = forward["sol"]["data"].reshape(len(ch_names), len(outward), 3)
    return Head(montage_positions(ch_names), leadfield, outward, slice(N_DIPOLES, N_DIPOLES + 2))
