"""Looking through THINGS-EEG2: subjects, repetitions, channels, pictures by concept."""

from __future__ import annotations

from pathlib import Path

from zoo.contracts import DataError
from zoo.data_check.report import RECORDING, Report
from zoo.datasets._things_files import (
    FILES,
    concept_name,
    picture_folder,
    pictures,
    read_recording,
    subject_folders,
)


def survey(root: Path, image_root: Path | None, report: Report) -> None:
    """Fill the report; arrays are described, not read, and nothing is unpickled."""
    shown: dict[str, list[tuple[str, str]]] = {}
    for partition in FILES:
        try:
            shown[partition] = pictures(picture_folder(root, image_root, partition))
        except DataError as error:
            report.problem(error)
    for name, folder in subject_folders(root).items():
        for partition, file in FILES.items():
            shown_name = f"{folder.name}/{file}"
            if not (folder / file).is_file():
                report.file(shown_name, RECORDING, "absent", "")
                report.problem(f"{shown_name} is missing")
                continue
            try:
                what = _recording(folder, name, partition, shown.get(partition), report)
            except DataError as error:
                report.file(shown_name, RECORDING, "fails", "")
                report.problem(error)
            else:
                report.file(shown_name, RECORDING, "loads", what)


def _recording(
    folder: Path,
    name: str,
    partition: str,
    shown: list[tuple[str, str]] | None,
    report: Report,
) -> str:
    """Return a sentence about one file, after noting what is in it."""
    recording = read_recording(folder, partition)
    n_conditions, n_repetitions, n_chans, n_times = recording.eeg.shape
    subject = report.subject(name)
    subject.recordings += 1
    subject.trials += n_conditions
    subject.channels.add(n_chans)
    subject.sfreq.add(recording.sfreq)
    if shown is not None:
        subject.classes |= {concept_name(concept) for concept, _ in shown}
        subject.pictures |= {f"{partition}/{concept}/{file}" for concept, file in shown}
        if len(shown) != n_conditions:
            report.problem(
                f"{folder.name}/{FILES[partition]} has {n_conditions} conditions, but there are "
                f"{len(shown)} pictures of {partition}; they are paired by their order"
            )
    return (
        f"{n_conditions} pictures, each {n_repetitions} times; {n_chans} channels, {n_times} "
        f"samples at {recording.sfreq:g} Hz"
    )
