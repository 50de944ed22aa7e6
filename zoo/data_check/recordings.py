"""Looking through continuous recordings and epochs: the formats `bids`, `folder` and `epochs`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.contracts import DataError
from zoo.data_check.report import RECORDING, Report, Subject
from zoo.datasets._bids_files import (
    Recording,
    check_picture,
    find_recordings,
    pictures_of,
    read_events,
)
from zoo.datasets._epochs_files import find_epochs, open_epochs, rows_of
from zoo.datasets._epochs_files import require_numbers as require_numbers_in_epochs
from zoo.datasets._folder_files import (
    FolderRecording,
    open_file,
    read_trials,
    recording_names,
    recordings_of,
)
from zoo.datasets._headers import Named, eeg_channels
from zoo.datasets._recording import open_recording, require_numbers
from zoo.datasets._trial_table import require_pictures
from zoo.progress import bar
from zoo.registries import DATASETS

if TYPE_CHECKING:
    import mne
    import pandas as pd

OneRecording = TypeVar("OneRecording", Recording, FolderRecording)


def survey_bids(root: Path, image_root: Path | None, report: Report) -> None:
    """Fill the report from a BIDS folder."""
    pictures = Pictures(image_root or root / "stimuli", ("trial_type", "trial_types"))
    recordings = _of_all_tasks(root, report)
    for recording in _shown(recordings):
        subject = report.subject(recording.subject_name)
        raw = _loaded(report, recording, subject, _bids_raw)
        try:
            events = read_events(recording)
        except DataError as error:
            report.problem(error)
            continue
        own = events.stim_file.str.removeprefix("stimuli/")
        pictures.add(subject, events.trial_type, own)
        _trials(report, recording, subject, raw, events.trial_type, events.onset)
    pictures.report_to(report)
    _differences(report)


def survey_folder(root: Path, image_root: Path | None, report: Report) -> None:
    """Fill the report from a folder with trials.csv."""
    rows = read_trials(root)
    default = DATASETS.spec("folder").parameter("recordings")
    assert default is not None
    pattern = str(default.default)
    pictures = Pictures(image_root or root / "images", ("label", "labels"))
    for _, own in _shown(list(rows.groupby(recording_names(rows, pattern), sort=False))):
        for name, of_subject in own.groupby("subject"):
            subject = report.subject(str(name))
            pictures.add(subject, of_subject.label, of_subject.image)
        try:
            (recording,) = recordings_of(root, own, pattern)
        except DataError as error:
            report.problem(error)
            continue
        subject = report.subject(recording.subject_name)
        raw = _loaded(report, recording, subject, _folder_raw)
        _trials(report, recording, subject, raw, own.label, own.onset)
    pictures.report_to(report)
    _differences(report)


def survey_epochs(root: Path, image_root: Path | None, report: Report) -> None:
    """Fill the report from saved epochs."""
    pictures = Pictures(image_root or root / "images", ("label", "labels"))
    for file in _shown(find_epochs(root)):
        try:
            epochs = open_epochs(file)
            n_chans = len(eeg_channels(epochs, file.name))
            require_numbers_in_epochs(file, epochs.get_data(), epochs.ch_names)
            rows = rows_of(file, epochs)
        except DataError as error:
            report.file(file.name, RECORDING, "fails")
            report.problem(error)
            continue
        report.file(file.name, RECORDING, "loads")
        for name, own in rows.groupby("subject"):
            subject = report.subject(str(name))
            subject.recordings += 1
            subject.trials += len(own)
            subject.classes |= set(own.label)
            subject.channels.add(n_chans)
            subject.sfreq.add(float(epochs.info["sfreq"]))
            pictures.add(subject, own.label, own.image)
    pictures.report_to(report)
    _differences(report)


def _shown(work: list[Any]) -> Iterable[Any]:
    """Yield what is to be looked through, with a progress bar where that takes long."""
    with bar("check", len(work), unit="recording", delay=2) as progress:
        for one in work:
            yield one
            progress.update()


def _of_all_tasks(root: Path, report: Report) -> list[Recording]:
    """Return the recordings of the only task; of all of them where one has to be chosen."""
    try:
        return find_recordings(root, None)
    except DataError as error:
        report.problem(error)
    from mne_bids import get_entity_vals

    found = []
    for task in get_entity_vals(root, "task"):
        try:
            found += find_recordings(root, task)
        except DataError as error:
            report.problem(error)
    return found


def _bids_raw(recording: Recording) -> mne.io.BaseRaw:
    raw = open_recording(recording)
    try:
        raw.load_data(verbose="error")
    except Exception as error:  # a damaged file fails in as many ways as MNE has readers
        reason = " ".join(str(error).split())
        raise DataError(f"{recording.name} cannot be read as EEG: {reason}") from error
    require_numbers(raw, recording)
    return raw


def _folder_raw(recording: FolderRecording) -> mne.io.BaseRaw:
    raw = open_file(recording)
    require_numbers(raw, recording)
    return raw


def _loaded(
    report: Report, recording: OneRecording, subject: Subject, load: Callable[[OneRecording], Any]
) -> mne.io.BaseRaw | None:
    """Read a recording whole and note what it is; None where it fails."""
    try:
        raw = load(recording)
    except DataError as error:
        report.file(recording.name, RECORDING, "fails")
        report.problem(error)
        return None
    report.file(recording.name, RECORDING, "loads")
    subject.recordings += 1
    subject.channels.add(len(raw.ch_names))
    subject.sfreq.add(float(raw.info["sfreq"]))
    return raw


def _trials(
    report: Report,
    recording: Named,
    subject: Subject,
    raw: mne.io.BaseRaw | None,
    labels: pd.Series,
    onsets: pd.Series,
) -> None:
    subject.trials += len(labels)
    subject.classes |= set(labels)
    if raw is None:
        return
    seconds = raw.n_times / float(raw.info["sfreq"])
    outside = int(((onsets < 0) | (onsets >= seconds)).sum())
    if outside:
        report.problem(
            f"{recording.name}: {outside} of {len(onsets)} onsets lie outside its {seconds:.1f} s; "
            "onsets are in seconds from the first sample"
        )


def _differences(report: Report) -> None:
    """List what recordings of different subjects or runs do not share."""
    rates = sorted(set().union(*(one.sfreq for one in report.subjects.values())))
    if len(rates) > 1:
        report.problem(
            f"recordings are sampled at {' and '.join(f'{rate:g}' for rate in rates)} Hz; choose "
            "one rate with dataset.params.resample"
        )
    counts = sorted(set().union(*(one.channels for one in report.subjects.values())))
    if len(counts) > 1:
        report.problem(
            f"recordings hold {' and '.join(map(str, counts))} EEG channels; choose channels that "
            "all have with dataset.params.channels"
        )


class Pictures:
    """The pictures that trials name or are paired with, and what is wrong with them.

    Parameters
    ----------
    folder : Path
    asked : (str, str)
        What names a category, and the parameter that chooses some.
    """

    def __init__(self, folder: Path, asked: tuple[str, str]) -> None:
        self.folder, self.asked = folder, asked
        self.named: dict[str, None] = {}
        self.unnamed: dict[str, list[str]] = {}
        self.problems: list[DataError] = []

    def add(self, subject: Subject, labels: pd.Series, shown: pd.Series) -> None:
        """Take in the trials of a subject; `shown` is "" where the picture is not named."""
        named = [name for name in shown if name]
        self.named.update(dict.fromkeys(named))
        subject.pictures |= set(named)
        for label in labels[shown == ""].unique():
            if label not in self.unnamed:
                self.unnamed[label] = self._of_category(label)
            subject.pictures |= set(self.unnamed[label])

    def _of_category(self, label: str) -> list[str]:
        try:
            return pictures_of(self.folder, label, self.asked)
        except DataError as error:
            self.problems.append(error)
            return []

    def report_to(self, report: Report) -> None:
        """Check every picture; add what is wrong to the report."""
        if self.unnamed:
            report.notes.append(
                "not every trial names its picture: those are paired with one of their category"
            )
        for problem in self.problems:
            report.problem(problem)
        try:
            require_pictures(self.folder, list(self.named))
        except DataError as error:
            report.problem(error)
        drawn = [name for names in self.unnamed.values() for name in names]
        for name in dict.fromkeys([*self.named, *drawn]):
            if (self.folder / name).is_file():
                try:
                    check_picture(self.folder / name)
                except DataError as error:
                    report.problem(error)
