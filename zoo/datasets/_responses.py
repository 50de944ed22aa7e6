"""What the simulated brain does when it sees a picture: wavelets of dipoles, trial by trial.

Three sets of wavelets are added in each trial. Every picture evokes the *common* set. Every
class has a set of its own: slow wavelets locked to the picture, and faster ones, up to the gamma
range, whose phase the jitter of a trial partly destroys, so that averaging alone loses them. And
each number of the exemplar's colour and pose scales, weakly, one wavelet of the *exemplar* set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.datasets._head import Head
from zoo.seeds import numpy_rng

SILENT = 0.04  # seconds from the picture's onset in which nothing can have reached the cortex
RESPONSE = 0.55  # seconds from the picture's onset until every wavelet is over
TRIAL_JITTER = 0.010  # standard deviation of a trial's latency, seconds
WAVELET_JITTER = 0.004  # of each wavelet beside it
AMPLITUDE_SPREAD = 0.30  # of a trial's amplitude, log scale
EXEMPLAR_SHARE = 0.3  # amplitude of an exemplar wavelet where its factor is 1

# (lowest Hz, highest Hz, envelope in seconds, amplitude) of each wavelet of a class
_CLASS_WAVELETS = (
    (6.0, 9.0, 0.055, 1.0),
    (7.0, 11.0, 0.050, 1.0),
    (12.0, 20.0, 0.045, 0.9),
    (18.0, 30.0, 0.040, 0.8),
    (60.0, 85.0, 0.050, 0.4),
)


@dataclass(frozen=True)
class Wavelets:
    """Gabor wavelets of W dipoles; every array has shape (W,)."""

    dipole: np.ndarray
    latency: np.ndarray
    width: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray
    amplitude: np.ndarray

    def courses(self, delay_NW: np.ndarray, gain_NW: np.ndarray, sfreq: float) -> np.ndarray:
        """Return the time courses of N trials, (N, W, samples)."""
        time = np.arange(round(RESPONSE * sfreq)) / sfreq
        t = time - (self.latency + delay_NW)[..., None]
        envelope = np.exp(-0.5 * (t / self.width[:, None]) ** 2)
        envelope = envelope * np.clip((time - SILENT) / 0.04, 0, 1)
        wave = np.cos(2 * np.pi * self.frequency[:, None] * t + self.phase[:, None])
        return (self.amplitude * gain_NW)[..., None] * envelope * wave


def _draw(bands: Sequence[Sequence[float]], dipoles: np.ndarray, rng: np.random.Generator):
    """Draw one wavelet for each (lowest, highest, envelope, amplitude)."""
    low, high, width, amplitude = np.array(bands).T
    n = len(low)
    return Wavelets(
        dipole=rng.choice(dipoles, n, replace=False),
        latency=rng.uniform(0.10, 0.33, n),
        width=width * rng.uniform(0.85, 1.15, n),
        frequency=rng.uniform(low, high),
        phase=rng.uniform(0, 2 * np.pi, n),
        amplitude=amplitude,
    )


def class_wavelets(head: Head, class_index: int, seed: int) -> Wavelets:
    """Return the wavelets of one class, the same for all subjects."""
    return _draw(_CLASS_WAVELETS, head.visual(), numpy_rng(seed, "class wavelets", class_index))


def exemplar_wavelets(head: Head, n_factors: int, seed: int) -> Wavelets:
    """Return one wavelet for each number of ``Factors.vector``."""
    bands = [(8.0, 16.0, 0.05, EXEMPLAR_SHARE)] * n_factors
    return _draw(bands, head.visual(), numpy_rng(seed, "exemplar wavelets"))


def common_wavelets(head: Head, seed: int) -> Wavelets:
    """Return what every picture evokes: about P1, N170 and P3."""
    bands = [(9.0, 10.0, 0.03, 1.0), (7.0, 8.0, 0.04, 1.2), (3.0, 4.0, 0.07, 0.8)]
    drawn = _draw(bands, head.visual(), numpy_rng(seed, "common wavelets"))
    fixed = np.array([0.10, 0.17, 0.32])
    return Wavelets(drawn.dipole, fixed, drawn.width, drawn.frequency, drawn.phase, drawn.amplitude)


def respond(
    head: Head,
    class_of_trial: np.ndarray,
    factors_NF: np.ndarray,
    onsets: np.ndarray,
    n_samples: int,
    sfreq: float,
    *,
    seed: int,
    subject: int,
    run: int,
) -> np.ndarray:
    """Return the evoked time courses of every dipole over a run, (S, n_samples) float32.

    A subject has his own latencies and strength of each wavelet; a trial has its own delay and
    strength, and within it each wavelet a little of its own.
    """
    rng = numpy_rng(seed, "responses", subject, run)
    delay_N = rng.normal(0, TRIAL_JITTER, len(onsets))
    gain_N = np.exp(rng.normal(0, AMPLITUDE_SPREAD, len(onsets)))
    courses_SP = np.zeros((len(head.outward_Sx), n_samples), np.float32)

    def add(wavelets: Wavelets, name: str | int, rows: np.ndarray, weight_NW: np.ndarray) -> None:
        own = numpy_rng(seed, "subject's wavelets", subject, name)
        n_wavelets = len(wavelets.dipole)
        late = own.normal(0.0, 0.008, n_wavelets)
        strong = np.exp(own.normal(0.0, 0.25, n_wavelets))
        delay_NW = delay_N[rows, None] + late + rng.normal(0, WAVELET_JITTER, weight_NW.shape)
        gain_NW = gain_N[rows, None] * strong * weight_NW
        responses_NWT = wavelets.courses(delay_NW, gain_NW, sfreq)
        where = onsets[rows, None] + np.arange(responses_NWT.shape[2])
        for w, dipole in enumerate(wavelets.dipole):
            courses_SP[dipole, where] += responses_NWT[:, w]

    everything = np.arange(len(onsets))
    add(common_wavelets(head, seed), "common", everything, np.ones((len(onsets), 3)))
    exemplar = exemplar_wavelets(head, factors_NF.shape[1], seed)
    add(exemplar, "exemplar", everything, factors_NF)
    for class_index in np.unique(class_of_trial):
        rows = np.flatnonzero(class_of_trial == class_index)
        wavelets = class_wavelets(head, int(class_index), seed)
        add(wavelets, int(class_index), rows, np.ones((len(rows), len(wavelets.dipole))))
    return courses_SP
