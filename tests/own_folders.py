"""Writes small folders of a user's own data: recordings with trials.csv, saved epochs, pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from PIL import Image

SFREQ = 128
CH_NAMES = ("Fz", "Cz", "Pz", "Oz")
SECONDS = 24
N_TRIALS = SECONDS - 2  # of a run
LABELS = ("cat", "dog")


def write_pictures(folder: Path, labels: Sequence[str] = LABELS) -> None:
    """Write three grey pictures of each label, not square."""
    rng = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(3):
            pixels = rng.integers(0, 256, (90, 120), np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{label}{i}.png")


def recording(seed: int, sfreq: int = SFREQ) -> np.ndarray:
    """Return (C, P) microvolts: a trial every second, its label in the sign of a burst at Oz."""
    rng = np.random.default_rng(seed)
    eeg_CP = rng.normal(0, 5, (len(CH_NAMES), SECONDS * sfreq))
    burst = 20 * np.sin(2 * np.pi * 10 * np.arange(sfreq // 2) / sfreq)
    for i in range(N_TRIALS):
        start = (i + 1) * sfreq
        eeg_CP[3, start : start + sfreq // 2] += burst * (-1) ** i
    return eeg_CP


def write_recording(path: Path, eeg_CP: np.ndarray, sfreq: float = SFREQ, names=CH_NAMES) -> None:
    """Write microvolts as FIF, or as an array with its description."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, eeg_CP.astype(np.float32))
        about = {"sfreq": sfreq, "ch_names": list(names), "unit": "microvolt"}
        path.with_suffix(".json").write_text(json.dumps(about))
    else:
        info = mne.create_info(list(names), sfreq, "eeg")
        raw = mne.io.RawArray(eeg_CP * 1e-6, info, verbose="error")
        raw.save(path, overwrite=True, verbose="error")


def trials_of(subject: str, run: str) -> list[dict[str, str]]:
    """Return the rows of a run."""
    return [
        {
            "onset": f"{i + 1}.0",
            "image": f"{LABELS[i % 2]}/{LABELS[i % 2]}{i % 3}.png",
            "label": LABELS[i % 2],
            "subject": subject,
            "run": run,
        }
        for i in range(N_TRIALS)
    ]


def write_folder(
    root: Path,
    *,
    subjects: Sequence[str] = ("anna", "ben"),
    runs: Sequence[str] = ("1", "2", "3"),
    ending: str = ".fif",
) -> Path:
    """Write the folder that the data set `folder` reads."""
    root.mkdir(parents=True, exist_ok=True)
    write_pictures(root / "images")
    rows = []
    for subject in subjects:
        for run in runs:
            eeg_CP = recording(len(rows))
            write_recording(root / "recordings" / f"{subject}_{run}{ending}", eeg_CP)
            rows += trials_of(subject, run)
    pd.DataFrame(rows).to_csv(root / "trials.csv", index=False)
    return root


def make_epochs(
    subject: str, run: str, *, seed: int = 0, columns: Sequence[str] = (), band=None, sfreq=SFREQ
) -> mne.Epochs:
    """Return epochs from -0.2 to 0.8 s with metadata label, image and `columns`."""
    info = mne.create_info(list(CH_NAMES), sfreq, "eeg")
    raw = mne.io.RawArray(recording(seed, sfreq) * 1e-6, info, verbose="error")
    if band is not None:
        raw.filter(*band, verbose="error")
    samples = (np.arange(N_TRIALS) + 1) * sfreq
    events = np.stack([samples, np.zeros(N_TRIALS, int), np.arange(N_TRIALS) % 2 + 1], axis=1)
    metadata = pd.DataFrame(trials_of(subject, run))[["label", "image", *columns]]
    return mne.Epochs(
        raw, events, tmin=-0.2, tmax=0.8, baseline=None, metadata=metadata, preload=True,
        verbose="error",
    )  # fmt: skip


def write_epochs(
    root: Path, *, subjects: Sequence[str] = ("anna", "ben"), runs=("1", "2"), band=None
) -> Path:
    """Write one file of epochs for each subject, runs in the metadata."""
    root.mkdir(parents=True, exist_ok=True)
    write_pictures(root / "images")
    for number, subject in enumerate(subjects):
        parts = [
            make_epochs(subject, run, seed=10 * number + i, columns=("run",), band=band)
            for i, run in enumerate(runs)
        ]
        whole = mne.concatenate_epochs(parts, verbose="error")
        whole.save(root / f"{subject}-epo.fif", verbose="error")
    return root
