"""Each trial's picture: the one that was shown, or one drawn within its category."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zoo.datasets._bids_files import pictures_of
from zoo.seeds import named_seed


def pair_pictures(
    pictures: Path,
    trial_ids: Iterable[str],
    categories: Iterable[str],
    shown: Iterable[str],
    asked: tuple[str, str] = ("trial_type", "trial_types"),
) -> list[str]:
    """Return each trial's own picture, or one drawn by a seed that its id names.

    Parameters
    ----------
    pictures : Path
        Folder of pictures, with a folder for each category where one has to be drawn.
    trial_ids, categories, shown : iterables of str
        One entry a trial; `shown` is "" where the picture is not known.
    asked : (str, str)
        See `pictures_of`.

    Raises
    ------
    DataError
        If a picture has to be drawn in a category that has none.
    """
    found: dict[str, list[str]] = {}
    image_ids = []
    for trial_id, category, own in zip(trial_ids, categories, shown, strict=True):
        if not own and category not in found:
            found[category] = pictures_of(pictures, category, asked)
        choice = [own] if own else found[category]
        image_ids.append(choice[named_seed(0, "picture", trial_id) % len(choice)])
    return image_ids
