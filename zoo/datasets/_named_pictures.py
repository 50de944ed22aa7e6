"""Pictures known by their ImageNet name: where one lies, and all that are missing at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.contracts import DataError

ENDINGS = (".JPEG", ".jpeg", ".jpg", ".JPG", ".png")
#: Folders in which ImageNet's synsets may lie below the one that is named.
ABOVE_SYNSETS = ("", "train")


def find_pictures(names: Sequence[str], folder: Path) -> list[Path]:
    """Return the file of each name such as ``n02951358_31190``.

    Looks in ``<folder>/<synset>/``, ``<folder>/train/<synset>/`` and flat in ``<folder>``.

    Raises
    ------
    DataError
        If some are missing: how many, the first of them, and where they belong.
    """
    found = {name: next(_places(name, folder), None) for name in dict.fromkeys(names)}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        shown = ", ".join(f"{name}.JPEG" for name in missing[:4])
        more = " ..." if len(missing) > 4 else ""
        raise DataError(
            f"{len(missing)} of {len(found)} pictures are missing in {folder}: {shown}{more}; take "
            "them from ImageNet (ILSVRC 2012, training set) and put them into <synset>/ there, or "
            "name a folder of ImageNet, or a flat one, with --image-root"
        )
    return [path for name in names if (path := found[name]) is not None]


def pictures_fingerprint(synsets: Sequence[str], folder: Path) -> str:
    """Return a hash of names, sizes and times of change of the pictures of `synsets`.

    Looks nowhere else and reads none of them.
    """
    wanted = frozenset(synsets)
    places = [folder, *(folder / above / synset for above in ABOVE_SYNSETS for synset in wanted)]
    lines = []
    for place in places:
        for entry in _files(place):
            if entry.name.partition("_")[0] in wanted:
                name, status = Path(entry.path).relative_to(folder).as_posix(), entry.stat()
                lines.append(f"{name}\0{status.st_size} {status.st_mtime_ns}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _places(name: str, folder: Path) -> Iterator[Path]:
    synset = name.partition("_")[0]
    for place in (*(folder / above / synset for above in ABOVE_SYNSETS), folder):
        for ending in ENDINGS:
            path = place / f"{name}{ending}"
            if path.is_file():
                yield path


def _files(folder: Path) -> list[os.DirEntry[str]]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [entry for entry in entries if entry.is_file()]
