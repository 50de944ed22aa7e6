"""What the simulated EEG holds besides responses: 1/f noise, alpha, blinks, mains hum, drift."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from zoo.datasets._head import Head

LINE_HZ = 50.0
KNEE_HZ = 1.0  # the 1/f spectrum is flat below: no drift unless drift is asked for
DRIFT_HZ = (0.1, 3.0)  # where drift by block lives: a clean 5 Hz high-pass removes it


def coloured(shape: tuple[int, int], spectrum, sfreq: float, rng: np.random.Generator):
    """Return noise of unit variance whose power at f Hz is proportional to ``spectrum(f)``.

    Parameters
    ----------
    shape : (rows, samples)
    spectrum : callable
        Power as a function of an array of frequencies.

    Returns
    -------
    array (rows, samples), float32
    """
    from scipy.fft import irfft, next_fast_len, rfftfreq  # slow to import

    rows, n_samples = shape
    n = next_fast_len(n_samples, real=True)
    amplitude = np.sqrt(spectrum(rfftfreq(n, 1 / sfreq))).astype(np.float32)
    amplitude[0] = 0
    parts = rng.standard_normal((rows, len(amplitude), 2), np.float32)
    noise = irfft(parts.view(np.complex64)[..., 0] * amplitude, n=n)[:, :n_samples]
    return noise / noise.std()


def ongoing(
    head: Head, gain_CS: np.ndarray, n_samples: int, sfreq: float, rng: np.random.Generator
) -> np.ndarray:
    """Return 1/f noise of every cortical dipole, occipital alpha and sensor noise, rms 1."""
    cortex = head.eyes.start
    sources_SP = coloured((cortex, n_samples), lambda f: 1 / (f + KNEE_HZ), sfreq, rng)
    peak = rng.uniform(9.0, 11.0)
    alpha = coloured((6, n_samples), lambda f: np.exp(-0.5 * ((f - peak) / 0.6) ** 2), sfreq, rng)
    sources_SP[head.occipital()] += 1.2 * alpha
    noise_CP = (gain_CS[:, :cortex] @ sources_SP).astype(np.float32)
    noise_CP /= noise_CP.std()
    noise_CP += 0.25 * rng.standard_normal(noise_CP.shape, np.float32)
    return noise_CP / noise_CP.std()


def blinks(
    head: Head, gain_CS: np.ndarray, n_samples: int, sfreq: float, rng: np.random.Generator
) -> np.ndarray:
    """Return blinks, one every six seconds or so, 1 at the electrode that sees them best."""
    length = round(0.35 * sfreq)
    bump = np.sin(np.linspace(0, np.pi, length)) ** 2
    course_P = np.zeros(n_samples, np.float32)
    for start in rng.integers(0, n_samples - length, round(n_samples / sfreq / 6)):
        course_P[start : start + length] += rng.uniform(0.6, 1.4) * bump
    pattern_C = gain_CS[:, head.eyes].sum(axis=1)
    pattern_C = pattern_C / np.abs(pattern_C).max()
    return np.outer(pattern_C, course_P).astype(np.float32)


def mains(n_chans: int, n_samples: int, sfreq: float, rng: np.random.Generator) -> np.ndarray:
    """Return mains hum of about unit amplitude, each electrode with its own strength and phase."""
    turn = 2 * np.pi * LINE_HZ * np.arange(n_samples) / sfreq
    strength, phase = rng.uniform(0.5, 1.5, n_chans), rng.uniform(0, 2 * np.pi, n_chans)
    hum = np.cos(phase)[:, None] * np.cos(turn) - np.sin(phase)[:, None] * np.sin(turn)
    return (strength[:, None] * hum).astype(np.float32)


def block_drift(
    gain_CS: np.ndarray,
    starts: np.ndarray,
    n_samples: int,
    sfreq: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return slow waves whose pattern over the head belongs to the block, rms about 1.

    Every block has an offset and three slow waves (0.1-3 Hz) with patterns and frequencies of its
    own, faded over one second at its edges. They say which block a trial is in, hence, where a
    class has one block, its class, without any response to a picture.
    """
    drift_CP = np.zeros((len(gain_CS), n_samples), np.float32)
    edges = [0, *starts[1:], n_samples]
    for start, stop in pairwise(edges):
        time = np.arange(stop - start) / sfreq
        fade = np.clip(np.minimum(time + 1 / sfreq, time[::-1] + 1 / sfreq), 0, 1)
        fade = np.sin(fade * np.pi / 2) ** 2
        frequency = np.concatenate([[0.0], rng.uniform(*DRIFT_HZ, 3)])
        phase = np.concatenate([[0.0], rng.uniform(0, 2 * np.pi, 3)])
        waves = fade * np.cos(2 * np.pi * frequency[:, None] * time + phase[:, None])
        patterns = gain_CS @ rng.standard_normal((gain_CS.shape[1], 4))
        patterns /= patterns.std(axis=0)
        drift_CP[:, start:stop] = patterns @ waves / np.sqrt(2.5)
    return drift_CP
