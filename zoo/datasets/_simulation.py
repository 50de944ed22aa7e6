"""Simulated recordings: who sees which picture when, and the continuous EEG of each run.

Six subjects see the same pictures, each once, in blocks of one class, as in the recordings of
Spampinato et al. (2017). Nothing is stored: the same parameters give the same recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zoo.datasets._background import blinks, block_drift, mains, ongoing
from zoo.datasets._head import Head, build_head
from zoo.datasets._responses import respond
from zoo.seeds import numpy_rng

SFREQ = 250.0
#: Strength of each subject's responses relative to ``snr``.
QUALITY = (1.0, 1.25, 0.9, 1.1, 0.75, 0.85)
PICTURE = 0.5  # seconds that a picture is shown
BLANK = (0.15, 0.25)  # seconds between pictures, shortest and longest
PAUSE = 2.0  # seconds before each block and after the last
BACKGROUND_UV = 10.0
BLINK_UV = 80.0
MAINS_UV = 1.5


@dataclass(frozen=True)
class Schedule:
    """What is shown in one run; one entry per trial, in order of time.

    Attributes
    ----------
    label, number : array (N,), int64
        Class, and which picture of the class.
    block : array (N,), int64
        Counted within the subject.
    onset : array (N,), int64
        Sample at which the picture appears.
    block_starts : array, int64
        Sample at which each block of the run begins.
    n_samples : int
    """

    label: np.ndarray
    number: np.ndarray
    block: np.ndarray
    onset: np.ndarray
    block_starts: np.ndarray
    n_samples: int


def schedule_runs(
    n_classes: int, images_per_class: int, blocks_per_class: int, *, seed: int, subject: int
) -> list[Schedule]:
    """Lay out the runs of one subject; run r holds block r of every class, in random order."""
    rng = numpy_rng(seed, "schedule", subject)
    shuffled = [rng.permutation(images_per_class) for _ in range(n_classes)]
    pieces = [np.array_split(numbers, blocks_per_class) for numbers in shuffled]
    runs = []
    for run in range(blocks_per_class):
        order = rng.permutation(n_classes)
        number = np.concatenate([pieces[c][run] for c in order])
        sizes = [len(pieces[c][run]) for c in order]
        block_in_run = np.repeat(np.arange(n_classes), sizes)
        gaps = PICTURE + rng.uniform(*BLANK, len(number))
        pauses = PAUSE * (1 + block_in_run)
        onset = np.concatenate([[0.0], np.cumsum(gaps)[:-1]]) + pauses
        first = np.cumsum([0, *sizes[:-1]])
        runs.append(
            Schedule(
                label=order[block_in_run],
                number=number,
                block=run * n_classes + block_in_run,
                onset=np.round(onset * SFREQ).astype(np.int64),
                block_starts=np.round((onset[first] - PAUSE / 2) * SFREQ).astype(np.int64),
                n_samples=round((onset[-1] + 1 + PAUSE) * SFREQ),
            )
        )
    return runs


def simulate_runs(
    runs: list[Schedule],
    factors_of_run: list[np.ndarray],
    *,
    subject: int,
    snr: float,
    drift: float,
    seed: int,
    head: Head | None = None,
) -> Iterator[np.ndarray]:
    """Yield the continuous EEG of each run, (C, samples) float32, microvolts, average reference.

    Parameters
    ----------
    runs : list of Schedule
    factors_of_run : list of array (N, F)
        Colour and pose of the picture of each trial.
    subject : int
        From 0.
    snr : float
        Root mean square of the responses (over electrodes, in the half second from onset)
        divided by that of the ongoing EEG, before the subject's `QUALITY`.
    drift : float
        The same ratio for slow drift by block; 0 is none.
    seed : int
    head : Head, optional
        Another cap than the usual 32 electrodes.
    """
    head = head or build_head()
    gain_CS = _oriented_gain(head, seed, subject)
    for r, (run, factors) in enumerate(zip(runs, factors_of_run, strict=True)):
        n = run.n_samples
        courses_SP = respond(
            head, run.label, factors, run.onset, n, SFREQ, seed=seed, subject=subject, run=r
        )
        evoked_CP = (gain_CS @ courses_SP).astype(np.float32)
        seen = run.onset[:, None] + np.arange(round(PICTURE * SFREQ))
        evoked_CP *= snr * QUALITY[subject] / evoked_CP[:, seen.ravel()].std()

        rng = numpy_rng(seed, "background", subject, r)
        eeg_CP = evoked_CP + ongoing(head, gain_CS, n, SFREQ, rng)
        if drift:
            cortex_CS = gain_CS[:, : head.eyes.start]
            slow = block_drift(cortex_CS, run.block_starts, n, SFREQ, rng)
            eeg_CP += np.float32(drift) * slow
        eeg_CP *= BACKGROUND_UV
        eeg_CP += BLINK_UV * blinks(head, gain_CS, n, SFREQ, rng)
        eeg_CP += MAINS_UV * mains(len(eeg_CP), n, SFREQ, rng)
        yield eeg_CP - eeg_CP.mean(axis=0)


def _oriented_gain(head: Head, seed: int, subject: int) -> np.ndarray:
    """Return (C, S): the leadfield along each dipole, which points outward give or take."""
    rng = numpy_rng(seed, "orientation", subject)
    direction = head.outward_Sx + 0.35 * rng.standard_normal(head.outward_Sx.shape)
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    gain_CS = np.einsum("csx,sx->cs", head.leadfield_CSx, direction)
    return gain_CS - gain_CS.mean(axis=0)
