"""Files of the 40-class block-design set, made up: same names, keys, types, lengths and quirks.

The EEG is that of the data set `pocket` with 128 electrodes in place of 32: 40 classes, one block
each, half a second a picture without a pause, ten classes a recording, and slow drift by block, as
the real recordings are suspected to have. It is made at 250 Hz, filtered whole and brought to
1 kHz, so nothing is in it above 125 Hz. The ten classes that the drawings know are drawn and evoke
responses that depend a little on colour and pose; of the other thirty the pictures are plain cards
with the class's name.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from zoo.datasets._filtering import band_pass, resample
from zoo.datasets._head import build_head, dense_cap
from zoo.datasets._imagenet40_classes import SYNSETS
from zoo.datasets._official_splits import FILES
from zoo.datasets._released_files import RAW, RELEASED
from zoo.datasets._simulated import MARKER
from zoo.datasets._simulation import SFREQ, Schedule, simulate_runs
from zoo.datasets._splits import split_images
from zoo.progress import bar
from zoo.seeds import numpy_rng
from zoo.simulate._pictures import factors_of, write_picture

N_CHANS = 128
RELEASED_SFREQ = 1000.0
PICTURE = 0.5  # seconds, one after another
RUNS = 4  # recordings of a subject, each with a quarter of the classes
SNR, DRIFT = 0.36, 1.0
MICROVOLT_PER_COUNT = 0.1
COUNTS = 32767  # the raw values are those of a 16-bit amplifier
#: Shares of the file ``single``: 669, 167 and 164 of 1,000.
SINGLE = {"train": 0.669, "val": 0.167, "test": 0.164}


@dataclass(frozen=True)
class Size:
    """How much is written.

    Attributes
    ----------
    n_subjects, n_classes, images_per_class : int
    images_lost, items_lost : int
        Pictures and further trials that are missing, as in the real set.
    n_long : int
        Trials longer than the length rule of published code allows.
    pause : float
        Seconds of blank screen before each block.
    """

    n_subjects: int
    n_classes: int
    images_per_class: int
    images_lost: int
    items_lost: int
    n_long: int
    pause: float

    @property
    def n_items(self) -> int:
        """Return the number of trials."""
        n_images = self.n_classes * self.images_per_class - self.images_lost
        return self.n_subjects * n_images - self.items_lost

    @property
    def summary(self) -> str:
        """Return one line about it."""
        return (
            f"{self.n_items} trials of {self.n_subjects} subjects and {self.n_classes} classes, "
            f"{1 + len(RELEASED)} files of EEG, two of splits, the pictures"
        )

    @property
    def bytes_written(self) -> int:
        """Return about how much disk the finished files take."""
        pictures = self.n_classes * self.images_per_class * 20_000
        return (1 + len(RELEASED)) * self._bytes_of_file + pictures

    @property
    def bytes_needed(self) -> int:
        """Return the most disk that is taken while writing: one file is there twice."""
        return self.bytes_written + self._bytes_of_file

    @property
    def _bytes_of_file(self) -> int:
        return round(self.n_items * (N_CHANS * 512 * 4 + 150))


#: Two minutes of EEG of each of two subjects; and what the real set has.
SMALL = Size(2, 40, 6, 1, 2, 3, pause=2.0)
FULL = Size(6, 40, 50, 4, 11, 10, pause=10.0)


@dataclass(frozen=True)
class Items:
    """The trials in the order of the files; all arrays have shape (N,).

    Attributes
    ----------
    subject, label, image, length : int64
        As in the files: subject from 1, index into `names`, number of samples.
    names : list of str
        Of the pictures.
    """

    subject: np.ndarray
    label: np.ndarray
    image: np.ndarray
    length: np.ndarray
    names: list[str]

    @property
    def offset(self) -> np.ndarray:
        """Return where each trial begins, and where the last ends, counted in numbers."""
        return np.concatenate([[0], np.cumsum(N_CHANS * self.length)])


def write(out: Path, size: Size, *, seed: int = 0) -> None:
    """Write all files into the empty folder `out`; the mark comes first.

    What is made by subject goes into one plain file for each band, then from there, trial by
    trial, into the .pth file, so memory holds one recording, and the system may keep one file
    mapped.
    """
    about = {"dataset": "eeg_imagenet40", "seed": seed, "made_by": "zoo simulate", **vars(size)}
    (out / MARKER).write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    items = _draw_items(size, seed)
    _write_pictures(out / "images", items, seed)
    _write_splits(out, items, seed)
    plain = {name: out / f".{name}.f32" for name in (*RELEASED.values(), RAW)}
    with ExitStack() as stack, bar("simulate", size.n_subjects * RUNS, unit="run") as progress:
        files = {name: stack.enter_context(path.open("xb")) for name, path in plain.items()}
        for subject in range(1, size.n_subjects + 1):
            _simulate_subject(files, items, size, subject, seed, progress)
    with bar("write", len(plain), unit="file") as progress:
        for name, path in plain.items():
            _write_pth(out / name, path, items, raw=name == RAW)
            path.unlink()
            progress.update()


def _draw_items(size: Size, seed: int) -> Items:
    """Decide which trials there are: pictures, lengths, order, and what was lost."""
    rng = numpy_rng(seed, "eeg_imagenet40 items")
    numbers = [rng.choice(30_000, size.images_per_class, replace=False) for _ in SYNSETS]
    every = [
        (f"{SYNSETS[label]}_{number}", label)
        for label in range(size.n_classes)
        for number in numbers[label]
    ]
    kept = sorted(rng.permutation(len(every))[size.images_lost :])
    pictures = [every[i] for i in rng.permutation(kept)]
    whole = [(s, i) for s in range(1, size.n_subjects + 1) for i in range(len(pictures))]
    order = rng.permutation(len(whole))[size.items_lost :]
    subject, image = np.array(whole)[order].T
    # the real lengths: at least 491, median 511, 499 the most frequent, ten above 700
    length = np.maximum(491, np.round(rng.normal(512, 9, len(order)))).astype(np.int64)
    length[rng.random(len(order)) < 0.09] = 499
    length[rng.permutation(len(order))[: size.n_long]] = rng.integers(700, 1528, size.n_long)
    names, labels = zip(*pictures, strict=True)
    return Items(subject, np.array(labels)[image], image, length, list(names))


def _simulate_subject(
    files: dict[str, BinaryIO], items: Items, size: Size, subject: int, seed: int, progress: Any
) -> None:
    """Make the recordings of a subject, filter them whole, put every trial where it belongs."""
    head = build_head(dense_cap(N_CHANS))
    factors = {name: factors_of(name, seed) for name in items.names}
    runs, rows_of_run = _schedule(items, size, subject, seed)
    given = [np.array([factors[items.names[items.image[r]]] for r in rows]) for rows in rows_of_run]
    recordings = simulate_runs(
        runs, given, subject=subject - 1, snr=SNR, drift=DRIFT, seed=seed, head=head
    )
    offset, step = items.offset, round(RELEASED_SFREQ / SFREQ)
    for run, rows, recording_CP in zip(runs, rows_of_run, recordings, strict=True):
        made = {name: _filtered(recording_CP, band) for band, name in RELEASED.items()}
        counts_CP = resample(recording_CP, SFREQ, RELEASED_SFREQ) / MICROVOLT_PER_COUNT
        made[RAW] = np.clip(np.round(counts_CP), -COUNTS - 1, COUNTS)
        for name, eeg_CP in made.items():
            for row, onset in zip(rows, run.onset * step, strict=True):
                trial_CP = eeg_CP[:, onset : onset + items.length[row]]
                files[name].seek(4 * offset[row])
                files[name].write(trial_CP.astype(np.float32).tobytes())
        progress.update()


def _filtered(recording_CP: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Return the whole recording in one band at 1 kHz, every channel of unit variance."""
    eeg_CP = band_pass(recording_CP, SFREQ, band)
    eeg_CP = eeg_CP / eeg_CP.std(axis=1, keepdims=True)
    return resample(eeg_CP.astype(np.float32), SFREQ, RELEASED_SFREQ)


def _schedule(
    items: Items, size: Size, subject: int, seed: int
) -> tuple[list[Schedule], list[np.ndarray]]:
    """Lay out a subject's recordings; with each, the rows of `items` in the order of showing."""
    rng = numpy_rng(seed, "eeg_imagenet40 schedule", subject)
    runs, rows_of_run = [], []
    for run, classes in enumerate(np.array_split(rng.permutation(size.n_classes), RUNS)):
        mine = [np.flatnonzero((items.subject == subject) & (items.label == c)) for c in classes]
        blocks = [rng.permutation(rows) for rows in mine if len(rows)]
        if not blocks:
            continue
        rows = np.concatenate(blocks)
        block = np.repeat(np.arange(len(blocks)), [len(b) for b in blocks])
        onset = PICTURE * np.arange(len(rows)) + size.pause * (1 + block)
        first = np.cumsum([0, *(len(b) for b in blocks[:-1])])
        runs.append(
            Schedule(
                label=items.label[rows],
                number=items.image[rows],
                block=run * size.n_classes + block,
                onset=np.round(onset * SFREQ).astype(np.int64),
                block_starts=np.round((onset[first] - size.pause / 2) * SFREQ).astype(np.int64),
                n_samples=round((onset[-1] + PICTURE + size.pause) * SFREQ),
            )
        )
        rows_of_run.append(rows)
    return runs, rows_of_run


def _write_pth(file: Path, plain: Path, items: Items, *, raw: bool) -> None:
    """Write one data file, in the older of PyTorch's two formats, as the real ones are."""
    import torch

    offset = items.offset
    numbers = np.memmap(plain, np.float32, "c")  # tensors of a read-only map would warn
    eeg = [
        numbers[offset[i] : offset[i + 1]].reshape(N_CHANS, -1) for i in range(len(items.subject))
    ]
    dataset = [
        {"eeg": torch.from_numpy(trial), "image": int(i), "label": int(c), "subject": int(s)}
        for trial, i, c, s in zip(eeg, items.image, items.label, items.subject, strict=True)
    ]
    content = {"dataset": dataset, "labels": list(SYNSETS), "images": items.names}
    if raw:
        n_samples = items.length.sum()
        mean_C = sum(trial.sum(axis=1, dtype=np.float64) for trial in eeg) / n_samples
        power_C = sum(np.square(trial, dtype=np.float64).sum(axis=1) for trial in eeg) / n_samples
        content["means"] = torch.from_numpy(mean_C).float()
        content["stddevs"] = torch.from_numpy(np.sqrt(power_C - mean_C**2)).float()
    torch.save(content, file, _use_new_zipfile_serialization=False)


def _write_splits(out: Path, items: Items, seed: int) -> None:
    """Write ``all``, by image over the whole file, and ``single``, numbers without a subject."""
    import torch

    labels = np.zeros(len(items.names), np.int64)
    labels[items.image] = items.label
    part = split_images(items.names, labels.tolist(), seed=seed)
    part_of_item = np.array([part[items.names[i]] for i in items.image])
    rng = numpy_rng(seed, "eeg_imagenet40 single")
    counted = int(np.bincount(items.subject)[1:].min())
    places = rng.permutation(1000 if counted > 1000 else max(6, counted // 2))
    cuts = np.round(np.cumsum([SINGLE["train"], SINGLE["val"]]) * len(places)).astype(int)
    divisions = {
        "all": {name: np.flatnonzero(part_of_item == name) for name in SINGLE},
        "single": dict(zip(SINGLE, np.split(places, cuts), strict=True)),
    }
    for kind, division in divisions.items():
        lists = {name: indices.tolist() for name, indices in division.items()}
        torch.save({"splits": [lists]}, out / FILES[kind], _use_new_zipfile_serialization=False)


def _write_pictures(folder: Path, items: Items, seed: int) -> None:
    with bar("draw", len(items.names), unit="picture") as progress:
        for name in items.names:
            write_picture(folder / name.partition("_")[0] / f"{name}.JPEG", name, seed)
            progress.update()
