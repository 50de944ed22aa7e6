"""THINGS-EEG2: ten subjects, 16 740 natural images, a zero-shot test of 200 concepts never trained.

Gifford et al. (2022), NeuroImage 264, 119754: 1654 training concepts with 10 images, each shown
four times, and 200 other concepts with one image, each shown 80 times. Read are the per-subject
``sub-*/preprocessed_eeg_training.npy`` and ``_test.npy`` that the published preprocessing writes
and that NICE, ATM and UBP use: pickled dictionaries of ``preprocessed_eeg_data`` (conditions,
repetitions, channels, times), ``ch_names`` and ``times``, with any channels (63 or the 17
posterior ones), repetitions and rate. They are followed, never unpickled, and the array is mapped
where it lies. Pictures are ``training_images/00001_aardvark/*.jpg`` and ``test_images/...``; their
sorted order is the order of the conditions.

The files hold cut trials: a band cannot be filtered out of them. Runs and sessions are not in
them either, so ``session`` is "merged" and ``run`` the partition; ``onset`` is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from registry import BadParameters, component
from zoo.contracts import DataError, SignalInfo, Trials
from zoo.datasets._bids_files import read_picture
from zoo.datasets._choices import check_choices
from zoo.datasets._filtering import resample
from zoo.datasets._simulated import is_simulated, simulated_note
from zoo.datasets._splits import select_named
from zoo.datasets._things_files import (
    FILES,
    Recording,
    concept_name,
    fingerprint,
    picture_folder,
    pictures,
    read_recording,
    subject_folders,
)
from zoo.datasets._things_trials import (
    forget,
    held_out,
    positions,
    require_alike,
    require_as_often,
    room,
    table_of,
    window_of,
)

#: The 17 channels over the back of the head that Gifford et al. and UBP keep.
POSTERIOR = (
    "P7", "P5", "P3", "P1", "Pz", "P2", "P4", "P6", "P8",
    "PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2",
)  # fmt: skip
#: Conditions read at once.
BLOCK = 64


@component(
    "dataset",
    paper="10.1016/j.neuroimage.2022.119754",
    license="CC-BY-4.0",
    leakage="Zero-shot: the test concepts are never trained on. Training and test pictures come "
    "from the same sessions, and whoever whitened the files may have fitted the whitening on test "
    "trials too, as NICE's published preprocessing does.",
    independent="image",
    needs_root=True,
    per_subject=True,
    judge="none",
    pictures=("image_size",),
    labelled_by=("repetitions",),
    tiny={"channels": "posterior", "subjects": [1]},
)
class ThingsEEG2:
    """Preprocessed THINGS-EEG2.

    Parameters
    ----------
    band : None
        Takes null only: the files hold cut trials, too short to be filtered.
    window : [start, stop], optional
        Seconds from onset; None takes everything from the onset to the end of the epochs.
    resample : float, optional
        New sampling rate in Hz; None keeps the files'.
    normalise : {"channel", "trial", "none"}
        z-score by channel over the training trials, by channel within each trial, or not at all.
    subjects : list of int or str, optional
        Such as 1 or "01", without "sub-"; None is all.
    split : str or mapping
        Test is always the zero-shot partition. "concepts" holds 4.5 % of the training concepts
        out for validation, named by a seed (ours); "images" as many training images, whatever
        their concept (NICE's choice); "all" trains on everything. ``{by: subject, test: [...],
        val: [...]}`` trains on the other subjects' training pictures.
    limit : int or mapping, optional
        Keep so many trials of each split; or of those named alone: ``{train: 120}``.
    shuffle_labels : bool
        Permute label and picture among training and validation trials.
    repetitions : {"mean", "all"}
        One trial a picture, the mean of its repetitions (4 in training, 80 in the test); or one
        trial a repetition. Part of every figure's name and definition.
    channels : "all", "posterior" or list of str
        All of the files, the 17 over the back of the head, or these.
    image_size : int
        Side in pixels to which pictures are cut and resized.
    """

    def __init__(
        self,
        *,
        band: Sequence[float] | None = None,
        window: Sequence[float] | None = None,
        resample: float | None = None,
        normalise: Literal["channel", "trial", "none"] = "channel",
        subjects: Sequence[int | str] | None = None,
        split: Literal["concepts", "images", "all"] | Mapping[str, Any] = "concepts",
        limit: int | Mapping[str, int] | None = None,
        shuffle_labels: bool = False,
        repetitions: Literal["mean", "all"] = "mean",
        channels: Literal["all", "posterior"] | Sequence[str] = "all",
        image_size: int = 256,
    ):
        official = ("concepts", "images", "all")
        check_choices(
            "things_eeg2", normalise=normalise, limit=limit, split=split, official=official
        )
        if band is not None:
            _refuse("band", list(band), "null: the files hold cut trials, too short to be filtered")
        if split is None or (isinstance(split, Mapping) and split.get("by") != "subject"):
            _refuse("split", split, f"{', '.join(official)} or {{by: subject, test: [...]}}")
        if repetitions not in ("mean", "all"):
            _refuse("repetitions", repetitions, "mean or all")
        if isinstance(channels, str):
            if channels not in ("all", "posterior"):
                _refuse("channels", channels, "all, posterior or a list of names")
        elif not channels or len(set(channels)) < len(channels):
            _refuse("channels", channels, "at least one name, each once")
        if resample is not None and not 0 < resample < math.inf:
            _refuse("resample", resample, "a sampling rate above 0 Hz, or null for the files' own")
        for name in map(str, subjects or ()):
            if name.startswith("sub-"):
                _refuse("subjects", subjects, f"them without 'sub-': {name[4:]!r}")
        if image_size < 64:
            _refuse("image_size", image_size, "at least 64")
        self.window, self.resample, self.normalise = window, resample, normalise
        self.subjects, self.split, self.limit = subjects, split, limit
        self.shuffle_labels, self.repetitions = shuffle_labels, repetitions
        self.channels, self.image_size = channels, image_size

    def fingerprint(self, root: Path | None) -> str:
        """Return a hash of names, sizes and times of change of recordings and pictures."""
        return fingerprint(root)

    def signal(self, root: Path | None, image_root: Path | None = None) -> SignalInfo:
        """Return what the EEG looks like; no samples are read."""
        folders = subject_folders(root)
        first = self._chosen(folders)[0]
        recording = read_recording(folders[first], "training")
        ch_names = self._channels(recording, first)
        _, n_times = window_of(recording, self.window, self._rate(recording), first)
        return SignalInfo(
            n_chans=len(ch_names),
            n_times=n_times,
            sfreq=self._rate(recording),
            ch_names=ch_names,
            ch_pos=positions(ch_names),
            scale="z-score",
            band=None,
            reference="as recorded",
            n_subjects=len(folders),
            class_names=tuple(name for name, _ in self._concepts(root, image_root)),
        )

    def load(self, root: Path | None, image_root: Path | None = None) -> Trials:
        """Return every trial of the chosen subjects, training pictures first."""
        signal, folders = self.signal(root, image_root), subject_folders(root)
        labels = {place: k for k, (_, place) in enumerate(self._concepts(root, image_root))}
        parts = [
            (name, partition, read_recording(folders[name], partition))
            for name in self._chosen(folders)
            for partition in FILES
        ]
        tables = []
        first = {partition: recording for _, partition, recording in reversed(parts)}
        for name, partition, recording in parts:
            where = f"sub-{name}/{FILES[partition]}"
            require_alike(recording, first["training"], where)
            require_as_often(recording, first[partition], where)
            shown = pictures(picture_folder(root, image_root, partition))
            if len(shown) != len(recording.eeg):
                raise DataError(
                    f"sub-{name}/{FILES[partition]} has {len(recording.eeg)} conditions, but "
                    f"{picture_folder(root, image_root, partition)} holds {len(shown)} pictures; "
                    "they are paired by their order, so the numbers must agree"
                )
            label = [labels[f"{partition}/{concept}"] for concept, _ in shown]
            times = None if self.repetitions == "mean" else recording.eeg.shape[1]
            subject = list(folders).index(name)
            tables.append(table_of(subject, name, partition, shown, label, times))
        table = pd.concat(tables, ignore_index=True)
        eeg_NCT = room((len(table), signal.n_chans, signal.n_times))
        row = 0
        for name, _, recording in parts:
            start, n_times = window_of(recording, self.window, self._rate(recording), name)
            take = [recording.ch_names.index(channel) for channel in signal.ch_names]
            for at in range(0, len(recording.eeg), BLOCK):
                block = recording.eeg[at : at + BLOCK]
                trials = self._trials(block)[:, take]
                trials = resample(trials, recording.sfreq, self.resample)
                trials = trials[:, :, start : start + n_times]
                eeg_NCT[row : row + len(trials)] = trials
                row += len(trials)
                forget(recording.eeg)
        assert row == len(table)
        count = {p: r.eeg.shape[1] if self.repetitions == "mean" else 1 for _, p, r in parts}
        repetitions = table.run.map(count).to_numpy(np.int64)
        notes = self._notes(root, {p: r.eeg.shape[1] for _, p, r in parts})
        return Trials(eeg_NCT, table, signal, notes, repetitions=repetitions)

    def split_of(self, table: pd.DataFrame) -> np.ndarray:
        """Return "train", "val", "test" or "" (unused) for each row of `table`."""
        tested = (table.run == "test").to_numpy()
        if isinstance(self.split, Mapping):
            names = table.subject_name.to_numpy(dtype=str)
            part = np.where(tested, "", "train").astype("<U5")
            held = {
                key: select_named(names, self.split.get(key, ()), f"split.{key}", "subject")
                for key in ("val", "test")
            }
            if (held["val"] & held["test"]).any():
                name = names[held["val"] & held["test"]][0]
                raise DataError(f"subject {name!r} is in both split.val and split.test")
            part[held["test"] | held["val"]] = ""
            part[held["val"] & ~tested] = "val"
            part[held["test"] & tested] = "test"
            return part
        part = np.where(tested, "test", "train").astype("<U5")
        if self.split != "all":
            unit = (
                table.image_id if self.split == "images" else table.image_id.str.split("/").str[1]
            )
            part[~tested & unit.isin(held_out(unit[~tested])).to_numpy()] = "val"
        return part

    def images(
        self, image_ids: Sequence[str], root: Path | None, image_root: Path | None = None
    ) -> np.ndarray:
        """Return pictures, uint8 RGB, cut to their central square."""
        folder = {
            f"{partition}_images": picture_folder(root, image_root, partition)
            for partition in FILES
        }
        files = [folder[i.partition("/")[0]] / i.partition("/")[2] for i in image_ids]
        return np.stack([read_picture(file, self.image_size) for file in files])

    def _chosen(self, folders: dict[str, Path]) -> list[str]:
        if self.subjects is None:
            return list(folders)
        names = np.array(list(folders))
        chosen = select_named(names, self.subjects, "dataset.params.subjects", "subject")
        if not chosen.any():
            raise DataError("dataset.params.subjects is empty; leave it out to take every subject")
        return [str(name) for name in names[chosen]]

    def _channels(self, recording: Recording, name: str) -> tuple[str, ...]:
        if self.channels == "all":
            return recording.ch_names
        wanted = POSTERIOR if self.channels == "posterior" else tuple(self.channels)
        lacking = [channel for channel in wanted if channel not in recording.ch_names]
        if lacking:
            raise DataError(
                f"dataset.params.channels: sub-{name} has no channel {lacking[0]!r}; it has: "
                f"{', '.join(recording.ch_names)}"
            )
        return wanted

    def _rate(self, recording: Recording) -> float:
        return recording.sfreq if self.resample is None else float(self.resample)

    def _trials(self, block: np.ndarray) -> np.ndarray:
        """Return trials (n, C, T) of a block (conditions, repetitions, C, T)."""
        if self.repetitions == "mean":
            return block.mean(axis=1, dtype=np.float64)
        return np.asarray(block).reshape(-1, *block.shape[2:])

    def _concepts(self, root: Path | None, image_root: Path | None) -> list[tuple[str, str]]:
        """Return (class name, "training/00001_aardvark") of every concept, training first."""
        found = []
        for partition in FILES:
            folders = dict.fromkeys(
                c for c, _ in pictures(picture_folder(root, image_root, partition))
            )
            found += [(concept_name(folder), f"{partition}/{folder}") for folder in folders]
        trained = {name for name, place in found if place.startswith("training/")}
        both = [name for name, place in found if place.startswith("test/") and name in trained]
        if both:
            raise DataError(
                f"concept {both[0]!r} is in both the training and the test pictures; the zero-shot "
                "test needs concepts that are never trained"
            )
        return found

    def _notes(self, root: Path | None, there: dict[str, int]) -> tuple[str, ...]:
        train, test = there["training"], there["test"]
        how = f"EEG averaged over {train} repetitions in training and {test} in the test"
        if self.repetitions == "all":
            how = (
                f"single repetitions, {train} of each training picture and {test} of each test one"
            )
        recordings = next(iter(subject_folders(root).values())).parent
        assert root is not None
        return (how, *simulated_note(recordings if is_simulated(recordings) else root))


def _refuse(name: str, value: Any, takes: str) -> None:
    raise BadParameters(f"dataset 'things_eeg2' parameter {name!r} is {value!r}; it takes {takes}")
