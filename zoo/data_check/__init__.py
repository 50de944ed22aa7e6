"""`zoo check data`: which format a folder has, what is in it for each subject, what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from zoo.contracts import DataError
from zoo.data_check.report import Report
from zoo.engine.roots import Roots


@dataclass(frozen=True)
class Format:
    """How a data set is recognised, and who looks into it.

    Attributes
    ----------
    name : str
        Of the data set.
    signs : tuple of str
        Glob patterns; one that matches is enough.
    expected : str
        What a folder of this format holds, for the message about another one.
    survey : str
        ``module:function``; the function takes (root, image_root, report) and fills the report.
    """

    name: str
    signs: tuple[str, ...]
    expected: str
    survey: str


#: Tried in this order: a BIDS folder may hold epochs among its derivatives.
FORMATS = (
    Format(
        "eeg_imagenet40",
        ("eeg_*_std.pth", "block_splits_by_image_*.pth"),
        "the files of eeg_imagenet40 (eeg_5_95_std.pth, block_splits_by_image_all.pth ...)",
        "zoo.data_check.imagenet40_files:survey",
    ),
    Format(
        "things_eeg2",
        ("sub-*/preprocessed_eeg_*.npy", "*/sub-*/preprocessed_eeg_*.npy"),
        "those of things_eeg2 (sub-01/preprocessed_eeg_training.npy ...)",
        "zoo.data_check.things_files:survey",
    ),
    Format(
        "bids",
        ("dataset_description.json",),
        "a BIDS data set (dataset_description.json)",
        "zoo.data_check.recordings:survey_bids",
    ),
    Format(
        "folder",
        ("trials.csv",),
        "recordings with a table trials.csv",
        "zoo.data_check.recordings:survey_folder",
    ),
    Format(
        "epochs",
        ("**/*[-_]epo.fif", "**/*[-_]epo.fif.gz"),
        "epochs saved by MNE (*-epo.fif)",
        "zoo.data_check.recordings:survey_epochs",
    ),
)


def check_data(root: Path, image_root: Path | None = None) -> Report:
    """Look through a folder of recordings; writes nothing.

    Every recording is read once; of ``things_eeg2`` the arrays are described, not read.

    Parameters
    ----------
    root : Path
        What ``--data-root`` would name.
    image_root : Path, optional
        The pictures shown, if kept elsewhere.

    Returns
    -------
    Report
        Problems are listed in it rather than raised.

    Raises
    ------
    DataError
        If a folder is missing, or `root` is of no known format; says what was expected.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder; name the one that holds your recordings")
    image_root = Roots.resolve(images=image_root).images
    found = recognise(root)
    if found is None:
        inside = [(path, recognise(path)) for path in sorted(root.iterdir()) if path.is_dir()]
        hints = [f"; {path} looks like {known.name}, name that" for path, known in inside if known]
        raise DataError(
            f"{root} is no data set that is known here: it takes "
            f"{', '.join(one.expected for one in FORMATS[:-1])} or {FORMATS[-1].expected}"
            f"{hints[0] if hints else ''}"
        )
    report = Report(root, found.name)
    if (root / "SIMULATED.json").is_file():
        report.notes.append("these files are simulated (SIMULATED.json)")
    module, _, function = found.survey.partition(":")
    try:
        getattr(import_module(module), function)(root, image_root, report)
    except DataError as error:
        report.problem(error)
    return report


def recognise(root: Path) -> Format | None:
    """Return the format of a folder, by the names of its files alone."""
    for one in FORMATS:
        if any(next(root.glob(sign), None) is not None for sign in one.signs):
            return one
    return None
