"""The trials that `folder` and `epochs` are told of: checked row by row, named, given pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from zoo.contracts import TRIAL_COLUMNS, DataError
from zoo.datasets._bids_files import check_picture, natural
from zoo.datasets._pairing import pair_pictures
from zoo.datasets._splits import select_named

#: What every trial must say.
NAMED = ("label", "subject", "session", "run", "block")
#: What may be left out, and what then holds.
DEFAULTS = {"session": "1", "block": "0", "image": ""}

#: Printed where trials do not say which picture was shown.
PAIRED = (
    "not every trial names the picture shown (column image): those that do not are paired with a "
    "picture drawn by a named seed within their label (paired by category)"
)


def checked_rows(table: pd.DataFrame, at: Callable[[int], str]) -> pd.DataFrame:
    """Return trials with the columns subject, session, run, block, onset, label, image.

    Parameters
    ----------
    table : DataFrame
        Text in every cell; at least the columns onset, label, subject, run.
    at : callable
        Row number -> where that row stands, for messages ("trials.csv line 3").

    Returns
    -------
    DataFrame
        As `table`, with ``onset`` as float and "" for an image that is not named.

    Raises
    ------
    DataError
        Names the first row that cannot be used, and why.
    """
    rows = table.apply(lambda column: column.str.strip())
    for column, default in DEFAULTS.items():
        if column not in rows:
            rows[column] = default
    for column in NAMED:
        for i in np.flatnonzero(rows[column] == ""):
            raise DataError(f"{at(i)} names no {column}; fill it in or remove the row")
    for column in ("subject", "session", "run"):
        for i, name in enumerate(rows[column]):
            if not re.fullmatch(r"[\w.=-]+", name):
                raise DataError(
                    f"{at(i)}: {column} is {name!r}; it takes letters, digits, '.', '-' and '_', "
                    "as pictures are named after it"
                )
    onset = pd.to_numeric(rows.onset, errors="coerce")
    for i in np.flatnonzero(~np.isfinite(onset)):
        raise DataError(f"{at(i)}: onset is {rows.onset.iloc[i]!r}, no number of seconds")
    rows["image"] = rows.image.str.removeprefix("images/")
    for i, (image, label) in enumerate(zip(rows.image, rows.label, strict=True)):
        if not image and leads_out(label):  # a picture is drawn from the folder of that name
            raise DataError(
                f"{at(i)} names no image, and its label {label!r} is no folder of pictures; name "
                "the image"
            )
        if leads_out(image):
            raise DataError(
                f"{at(i)}: image is {image!r}; name it from inside the folder of pictures"
            )
    rows["onset"] = onset.astype(float)
    return rows


def name_trials(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `rows` with ``trial_id``, counted within subject, session and run."""
    number = rows.groupby(["subject", "session", "run"]).cumcount()
    names = [
        f"sub-{row.subject}_ses-{row.session}_run-{row.run}_{n:04d}"
        for row, n in zip(rows.itertuples(), number, strict=True)
    ]
    return rows.assign(trial_id=names)


def leads_out(path: str) -> bool:
    """Say whether a path leaves the folder it is given from."""
    pure = PurePosixPath(path)
    return pure.is_absolute() or ".." in pure.parts


def class_names(rows: pd.DataFrame, labels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the labels that are classes: the chosen ones, else all, numbers by size.

    Raises
    ------
    DataError
        If a chosen label is not there.
    """
    found = sorted(rows.label.unique(), key=natural)
    missing = [name for name in labels or () if name not in found]
    if missing:
        raise DataError(
            f"dataset.params.labels: no trial has the label {missing[0]!r}; "
            f"there are: {', '.join(found)}"
        )
    return tuple(labels or found)


def subject_names(rows: pd.DataFrame) -> list[str]:
    """Return the subjects of all rows, in the order in which they are counted."""
    return sorted(rows.subject.unique(), key=natural)


def chosen_rows(
    rows: pd.DataFrame, subjects: Sequence[str] | None, classes: Sequence[str]
) -> pd.DataFrame:
    """Return the rows of these subjects (None is all) whose label is a class.

    Raises
    ------
    DataError
        If a subject is not there, or nothing is left.
    """
    if subjects is not None:
        names = rows.subject.to_numpy(dtype=str)
        rows = rows[select_named(names, subjects, "dataset.params.subjects", "subject")]
    used = rows[rows.label.isin(classes)]
    if used.empty:
        raise DataError(
            f"no trial of the subjects {', '.join(subject_names(rows))} has the label "
            f"{' or '.join(classes)}; choose others with dataset.params.labels"
        )
    return used


def trial_table(
    rows: pd.DataFrame, classes: Sequence[str], subjects: Sequence[str], pictures: Path
) -> pd.DataFrame:
    """Return rows as a table with the columns `TRIAL_COLUMNS`.

    Parameters
    ----------
    rows : DataFrame
        From `checked_rows`, with labels that are classes; the index stays.
    classes, subjects : sequences of str
        Of the whole data set, in order.
    pictures : Path
        Folder of pictures, for trials that name none.
    """
    numbers = bool(rows.block.str.fullmatch("[0-9]+").all())
    columns = {
        "trial_id": rows.trial_id,
        "subject": rows.subject.map({name: i for i, name in enumerate(subjects)}).astype(np.int64),
        "subject_name": rows.subject,
        "session": rows.session,
        "run": rows.run,
        "block": rows.block.astype(np.int64) if numbers else rows.block,
        "onset": rows.onset,
        "label": rows.label.map({name: i for i, name in enumerate(classes)}).astype(np.int64),
        "image_id": pair_pictures(
            pictures, rows.trial_id, rows.label, rows.image, ("label", "labels")
        ),
    }
    return pd.DataFrame(columns, columns=list(TRIAL_COLUMNS), index=rows.index)


def require_pictures(pictures: Path, image_ids: Sequence[str]) -> None:
    """Raise one DataError that names the pictures missing."""
    missing = [name for name in image_ids if not (pictures / name).is_file()]
    if missing:
        some = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise DataError(
            f"{len(missing)} of {len(image_ids)} pictures are missing in {pictures}: {some}; add "
            "them, or name the folder of pictures with --image-root"
        )


def check_pictures(pictures: Path, image_ids: Sequence[str]) -> None:
    """Raise a DataError if pictures are missing, or one cannot be read."""
    require_pictures(pictures, image_ids)
    for name in image_ids:
        check_picture(pictures / name)
