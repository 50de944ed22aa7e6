"""The released split files, and the two ways in which published code counts with their numbers.

A split file lists positions. Published code filters the list of trials to one subject *before* it
applies them, or does not filter: the same number then means another trial. So each file gives two
official splits:

=================  =============================  ==============================================
name               positions count                who does it
=================  =============================  ==============================================
single             the subject's own trials       the authors' code and its descendants, for one
                                                  subject; 1,000 of a subject's some 1,996
all                all trials of the file         the authors' code for all subjects; by image,
                                                  alike for all subjects: the sane choice for
                                                  one subject, too, where it uses all his trials
single_of_file     all trials of the file         the same code with the file ``single`` and no
                                                  subject named: the first 1,000 trials
all_of_subject     the subject's own trials       DreamDiffusion and its descendants with the
                                                  file ``all`` and one subject named; positions
                                                  beyond his trials are passed over
=================  =============================  ==============================================

Positions count the file as it was released, trials that the length rule drops included.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.contracts import DataError
from zoo.datasets._released_pickle import load_split

FILES = {
    "single": "block_splits_by_image_single.pth",
    "all": "block_splits_by_image_all.pth",
}
#: Name -> (split file, whether positions count the subject's own trials).
SPLITS = {
    "single": ("single", True),
    "all": ("all", False),
    "single_of_file": ("single", False),
    "all_of_subject": ("all", True),
}
#: Beyond the list, these pass over positions as the published code does; the others refuse.
PASS_OVER = ("all_of_subject",)


def official_parts(root: Path, subject: np.ndarray) -> dict[str, np.ndarray]:
    """Return, for each official split whose file is there, the part of every item of the file.

    Parameters
    ----------
    root : Path
    subject : array (N,)
        Of each item, in the order of the file.

    Returns
    -------
    dict
        Name -> array of str (N,): "train", "val", "test" or "" (in no part).

    Raises
    ------
    DataError
        If a file is no split file, or counts further than the data file has trials.
    """
    within = _positions_within(subject)
    divisions = {
        kind: load_split(root / file) for kind, file in FILES.items() if (root / file).is_file()
    }
    return {
        name: _parts(name, divisions[kind], within if of_subject else np.arange(len(subject)))
        for name, (kind, of_subject) in SPLITS.items()
        if kind in divisions
    }


def missing_split(name: str) -> DataError:
    """Return what to raise where the file of a split was not there when trials were prepared."""
    return DataError(
        f"dataset.params.split is {name!r}, which needs {FILES[SPLITS[name][0]]}, and the data "
        "root does not hold it; add it, or give a split such as {by: image, test: [...]}"
    )


def _positions_within(subject: np.ndarray) -> np.ndarray:
    """Return the position of each item among the items of its own subject."""
    position = np.empty(len(subject), np.int64)
    for one in np.unique(subject):
        mine = np.flatnonzero(subject == one)
        position[mine] = np.arange(len(mine))
    return position


def _parts(name: str, division: dict[str, np.ndarray], position: np.ndarray) -> np.ndarray:
    n_places = int(position.max()) + 1
    part_of_place = np.full(n_places, "", "<U5")
    for part, indices in division.items():
        beyond = indices[indices >= n_places]
        if len(beyond) and name not in PASS_OVER:
            kind, of_subject = SPLITS[name]
            of = "a subject" if of_subject else "the data file"
            raise DataError(
                f"{FILES[kind]} names trial {beyond[0]}, but {of} has {n_places} trials; the two "
                "files do not belong together"
            )
        part_of_place[indices[indices < n_places]] = part
    return part_of_place[position]
