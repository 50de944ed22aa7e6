"""Writes a small BIDS folder: BrainVision recordings by hand, events, pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

SFREQ = 128
CH_NAMES = ("Fz", "Cz", "Pz", "Oz")
SECONDS = 30

_HEADER = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile={stem}.eeg
MarkerFile={stem}.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels={n}
SamplingInterval={interval}

[Binary Infos]
BinaryFormat=IEEE_FLOAT_32

[Channel Infos]
{channels}
"""
_MARKERS = """Brain Vision Data Exchange Marker File, Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile={stem}.eeg

[Marker Infos]
Mk1=New Segment,,1,1,0
"""


def write_bids(
    root: Path,
    *,
    subjects=("01",),
    runs=("1", "2", "3"),
    stim_file=False,
    categories=("cat", "dog"),
) -> Path:
    """Write the folder; trials every second, the class in the sign of a 10 Hz burst at Oz."""
    root.mkdir(parents=True, exist_ok=True)
    about = {"Name": "a test", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
    (root / "dataset_description.json").write_text(json.dumps(about))
    rng = np.random.default_rng(0)
    for category in categories:
        (root / "stimuli" / category).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 256, (90, 120), np.uint8)  # grey, not square
            Image.fromarray(pixels).save(root / "stimuli" / category / f"{category}{i}.png")
    for subject in subjects:
        for run in runs:
            eeg_CP = rng.normal(0, 5, (len(CH_NAMES), SECONDS * SFREQ))
            rows = ["onset\tduration\ttrial_type" + ("\tstim_file" if stim_file else "")]
            for i, second in enumerate(range(1, SECONDS - 1)):
                category = categories[i % len(categories)]
                start = second * SFREQ
                burst = np.sin(2 * np.pi * 10 * np.arange(SFREQ // 2) / SFREQ)
                eeg_CP[3, start : start + SFREQ // 2] += 20 * (-1) ** (i % len(categories)) * burst
                picture = f"\t{category}/{category}{i % 3}.png" if stim_file else ""
                rows.append(f"{second}.0\t0.2\t{category}{picture}")
            write_run(root, subject, run, eeg_CP, rows)
    return root


def stem_of(subject: str, run: str) -> str:
    return f"sub-{subject}_task-look_run-{run}"


def write_run(
    root: Path, subject: str, run: str, eeg_CP, event_rows, ch_names=CH_NAMES, sfreq=SFREQ
) -> None:
    """Write one recording (microvolt) with its tables."""
    folder = root / f"sub-{subject}" / "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    stem = stem_of(subject, run)
    channels = "\n".join(f"Ch{i}={name},,1,µV" for i, name in enumerate(ch_names, 1))
    header = _HEADER.format(
        stem=f"{stem}_eeg", n=len(ch_names), interval=1e6 / sfreq, channels=channels
    )
    (folder / f"{stem}_eeg.vhdr").write_text(header, encoding="utf-8")
    (folder / f"{stem}_eeg.vmrk").write_text(_MARKERS.format(stem=f"{stem}_eeg"), encoding="utf-8")
    eeg_CP.T.astype("<f4").tofile(folder / f"{stem}_eeg.eeg")
    about = {"TaskName": "look", "SamplingFrequency": sfreq, "PowerLineFrequency": 50}
    (folder / f"{stem}_eeg.json").write_text(json.dumps(about))
    listed = ["name\ttype\tunits", *(f"{name}\tEEG\tµV" for name in ch_names)]
    (folder / f"{stem}_channels.tsv").write_text("\n".join(listed) + "\n", encoding="utf-8")
    (folder / f"{stem}_events.tsv").write_text("\n".join(event_rows) + "\n", encoding="utf-8")


def copy_run(folder: Path, stem: str, to: Path, to_stem: str) -> None:
    """Copy the files of one recording, under another stem inside and out."""
    to.mkdir(parents=True, exist_ok=True)
    for file in folder.glob(f"{stem}_*"):
        content = file.read_bytes().replace(stem.encode(), to_stem.encode())
        (to / file.name.replace(stem, to_stem)).write_bytes(content)
