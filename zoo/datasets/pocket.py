"""Simulated EEG of six subjects looking at drawings of ten ImageNet classes; needs no files.

Stands in for the contested 40-class recordings (Spampinato et al. 2017) on a fresh machine, and
shows what is contested about them: with one block per class and ``drift`` above 0, slow waves
that belong to the block betray the class.

32 electrodes at 250 Hz, simulated with MNE (standard_1005 positions, four-layer sphere). Each
subject sees each picture once, for half a second, in blocks of one class. A response is a sum of
wavelets of cortical dipoles that depend on the class and, weakly, on the colour and pose of the
very picture. Subjects differ in strength, latency and orientation. Under it lie 1/f noise, alpha,
blinks and 50 Hz hum. The recording is filtered whole, then cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from registry import BadParameters, component
from zoo.contracts import TRIAL_COLUMNS, DataError, SignalInfo, Trials
from zoo.datasets._choices import check_choices
from zoo.datasets._filtering import band_limits, band_pass, cut, resample, window_samples
from zoo.datasets._head import CH_NAMES, montage_positions
from zoo.datasets._simulation import QUALITY, SFREQ, Schedule, schedule_runs, simulate_runs
from zoo.datasets._splits import select_named, split_by, split_images
from zoo.drawings import CLASSES, draw, sample_factors
from zoo.seeds import numpy_rng

if TYPE_CHECKING:
    from zoo.drawings import Factors

N_SUBJECTS = len(QUALITY)
REACH = (-0.5, 0.6)  # seconds around onset that a window may cover


@component(
    "dataset",
    license="BSD-3-Clause",
    leakage="Simulated EEG: trials of a class follow each other in blocks, so with 'drift' above "
    "0 a block betrays its class; 'drift' is 0 unless the notes say otherwise.",
    independent="block",
    needs_root=False,
    per_subject=True,
    judge="pocket",
    tiny={"n_classes": 2, "images_per_class": 12, "subjects": [1]},
)
class Pocket:
    """Simulated EEG with drawings.

    Parameters
    ----------
    band : [low, high], optional
        Pass band in Hz. None leaves the recording unfiltered.
    window : [start, stop]
        Seconds from the picture's onset, at most from -0.5 to 0.6.
    resample : float, optional
        New sampling rate in Hz; None keeps 250.
    normalise : {"channel", "trial", "none"}
        z-score by channel over the training trials, by channel within each trial, or not at all.
    subjects : list of int, optional
        Of 1 to 6; None is all.
    split : str or mapping
        "single" and "all" divide the pictures 4/6, 1/6, 1/6 within every class, alike for all
        subjects; or ``{by: run | session | subject | image | block, test: [...], val: [...]}``.
    limit : int or mapping, optional
        Keep so many trials of each split; or of those named alone: ``{train: 120}``.
    shuffle_labels : bool
        Permute labels and pictures together among training and validation trials.
    n_classes : int
        The first so many of the ten drawn classes.
    images_per_class : int
        Pictures of each class; each is one trial of each subject.
    blocks_per_class : int
        1 as in the contested recordings. With more, run r holds block r of every class.
    snr : float
        Strength of the responses relative to the ongoing EEG (root mean squares).
    drift : float
        Strength of slow drift by block (below 3 Hz) relative to the ongoing EEG.
    seed : int
        Another seed is another experiment: other responses, pictures and subjects.
    """

    def __init__(
        self,
        *,
        band: Sequence[float] | None = None,
        window: Sequence[float] = (0.02, 0.46),
        resample: float | None = None,
        normalise: Literal["channel", "trial", "none"] = "channel",
        subjects: Sequence[int] | None = None,
        split: Literal["single", "all"] | Mapping[str, Any] = "single",
        limit: int | Mapping[str, int] | None = None,
        shuffle_labels: bool = False,
        n_classes: int = 10,
        images_per_class: int = 200,
        blocks_per_class: int = 1,
        snr: float = 0.36,
        drift: float = 0.0,
        seed: int = 0,
    ):
        check_choices(
            "pocket", normalise=normalise, limit=limit, split=split, official=("single", "all")
        )
        self.band, self.window, self.resample = band, window, resample
        self.normalise, self.limit, self.shuffle_labels = normalise, limit, shuffle_labels
        self.subjects = _checked_subjects(subjects)
        self.split = split
        self.n_classes = _within("n_classes", n_classes, 2, len(CLASSES))
        self.images_per_class = _within("images_per_class", images_per_class, 6, 1000)
        self.blocks_per_class = _within("blocks_per_class", blocks_per_class, 1, images_per_class)
        self.snr = _within("snr", snr, 0, 100)
        self.drift = _within("drift", drift, 0, 100)
        self.seed = seed

    def fingerprint(self, root: Path | None) -> str:
        """Return a constant: there are no source files."""
        return "simulated"

    def signal(self, root: Path | None = None) -> SignalInfo:
        """Return what the EEG will look like, without simulating any."""
        start, stop = self.window
        if start < REACH[0] or stop > REACH[1]:
            raise DataError(
                f"window is {list(self.window)}; the pocket data reach from {REACH[0]} to "
                f"{REACH[1]} s around a picture's onset"
            )
        band = band_limits(self.band, SFREQ, self.resample)
        sfreq = float(self.resample or SFREQ)
        return SignalInfo(
            n_chans=len(CH_NAMES),
            n_times=window_samples(self.window, sfreq)[1],
            sfreq=sfreq,
            ch_names=CH_NAMES,
            ch_pos=tuple(tuple(float(v) for v in xyz) for xyz in montage_positions()),
            scale="microvolt",
            band=band,
            reference="average",
            n_subjects=N_SUBJECTS,
            class_names=tuple(c.name for c in CLASSES[: self.n_classes]),
        )

    def load(self, root: Path | None = None, image_root: Path | None = None) -> Trials:
        """Simulate the chosen subjects, filter, cut; about 3 seconds a subject."""
        signal = self.signal(root)
        eeg, tables = [], []
        for subject in self.subjects:
            runs = self._runs(subject)
            factors = [
                np.array([self._factors(image).vector for image in _image_ids(run)]) for run in runs
            ]
            recordings = simulate_runs(
                runs, factors, subject=subject - 1, snr=self.snr, drift=self.drift, seed=self.seed
            )
            for number, (run, recording) in enumerate(zip(runs, recordings, strict=True), 1):
                eeg.append(self._cut(recording, run.onset, signal))
                tables.append(self._table(run, subject, number))
        table = pd.concat(tables, ignore_index=True)
        return Trials(np.concatenate(eeg), table, signal, self._notes())

    def trial_table(self) -> pd.DataFrame:
        """Return the table of the trials, without simulating any; `zoo plan` counts them in it."""
        tables = [
            self._table(run, subject, number)
            for subject in self.subjects
            for number, run in enumerate(self._runs(subject), 1)
        ]
        return pd.concat(tables, ignore_index=True)

    def split_of(self, table: pd.DataFrame) -> np.ndarray:
        """Return "train", "val" or "test" for each row of `table`."""
        if isinstance(self.split, Mapping):
            return split_by(table, self.split)
        pictures = table.drop_duplicates("image_id")
        part = split_images(pictures.image_id.tolist(), pictures.label.tolist(), seed=self.seed)
        return table.image_id.map(part).to_numpy(dtype="<U5")

    def images(
        self, image_ids: Sequence[str], root: Path | None = None, image_root: Path | None = None
    ) -> np.ndarray:
        """Draw pictures, uint8 (I, 3, 64, 64)."""
        return np.stack([draw(self._factors(image_id)) for image_id in image_ids])

    def _runs(self, subject: int) -> list[Schedule]:
        return schedule_runs(
            self.n_classes, self.images_per_class, self.blocks_per_class,
            seed=self.seed, subject=subject - 1,
        )  # fmt: skip

    def _factors(self, image_id: str) -> Factors:
        image_id = str(image_id)  # a name of NumPy's own kind of text would name another draw
        synset = image_id.split("_")[0]
        class_index = next(k for k, c in enumerate(CLASSES) if c.synset == synset)
        return sample_factors(class_index, numpy_rng(self.seed, "picture", image_id))

    def _cut(self, recording_CP: np.ndarray, onset_N: np.ndarray, signal: SignalInfo) -> np.ndarray:
        filtered = band_pass(recording_CP, SFREQ, signal.band)
        resampled = resample(filtered, SFREQ, self.resample)
        start, n_times = window_samples(self.window, signal.sfreq)
        onset_N = np.round(onset_N / SFREQ * signal.sfreq).astype(np.int64)
        return cut(resampled, onset_N + start, n_times)

    def _table(self, run: Schedule, subject: int, number: int) -> pd.DataFrame:
        trial_ids = [f"s{subject}_r{number}_{i:04d}" for i in range(len(run.onset))]
        columns = {
            "trial_id": trial_ids,
            "subject": subject - 1,
            "subject_name": str(subject),
            "session": "1" if number <= (self.blocks_per_class + 1) // 2 else "2",
            "run": str(number),
            "block": run.block,
            "onset": run.onset / SFREQ,
            "label": run.label,
            "image_id": _image_ids(run),
        }
        return pd.DataFrame(columns, columns=list(TRIAL_COLUMNS))

    def _notes(self) -> tuple[str, ...]:
        blocks = "one block" if self.blocks_per_class == 1 else f"{self.blocks_per_class} blocks"
        drift = f"on ({self.drift:g})" if self.drift else "off"
        return (
            f"simulated EEG, {blocks} per class, signal-to-noise ratio {self.snr:g}, slow drift by "
            f"block {drift}",
        )


def _image_ids(run: Schedule) -> list[str]:
    pairs = zip(run.label, run.number, strict=True)
    return [f"{CLASSES[label].synset}_{number:04d}" for label, number in pairs]


def _checked_subjects(subjects: Sequence[int] | None) -> list[int]:
    known = np.arange(1, N_SUBJECTS + 1)
    if subjects is None:
        return known.tolist()
    if not subjects:
        raise BadParameters("dataset 'pocket' parameter 'subjects' is empty; leave it out for all")
    try:
        chosen = select_named(known.astype(str), subjects, "parameter 'subjects'", "subject")
    except DataError as error:
        raise BadParameters(f"dataset 'pocket' {error}") from error
    return known[chosen].tolist()


def _within(name: str, value: float, low: float, high: float) -> Any:
    if not low <= value <= high:
        raise BadParameters(
            f"dataset 'pocket' parameter {name!r} is {value}; it takes {low} to {high}"
        )
    return value
