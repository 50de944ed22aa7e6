"""Fingerprints of what a recipe reads from disk; everything missing is named at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from registry.errors import UserError
from zoo.contracts import DataError
from zoo.engine.keys import canonical
from zoo.engine.roots import Roots
from zoo.recipe.cells import Block, Cell
from zoo.registries import DATASETS, OBJECTIVES

#: Dataset parameters that choose or scale trials but leave the prepared signal as it is.
SELECT_ONLY = frozenset({"split", "limit", "normalise", "shuffle_labels"})


def trial_params(dataset: Block) -> dict[str, Any]:
    """Return the dataset parameters that matter to the trials: not those of pictures alone."""
    pictures = DATASETS.spec(dataset.name).meta.get("pictures", ())
    return {name: value for name, value in dataset.params.items() if name not in pictures}


def picture_params(dataset: Block) -> dict[str, Any]:
    """Return the dataset parameters that shape the prepared signal or the pictures."""
    spec = DATASETS.spec(dataset.name)
    dropped = SELECT_ONLY if spec.meta.get("per_subject") else SELECT_ONLY | {"subjects"}
    return {name: value for name, value in dataset.params.items() if name not in dropped}


def tower_of(cell: Cell) -> str | None:
    """Return the image tower that the encoder is trained towards; None for another target."""
    objective = cell.encoder.train["objective"]
    if OBJECTIVES.spec(objective["name"]).meta.get("target") != "image":
        return None
    return str(objective["params"]["tower"])


def signal_params(dataset: Block) -> dict[str, Any]:
    """Return the dataset parameters that shape the prepared signal."""
    trials = trial_params(dataset)
    return {name: value for name, value in picture_params(dataset).items() if name in trials}


class Sources:
    """Fingerprints under the user's roots, each computed once for as long as this object lives.

    Parameters
    ----------
    roots : Roots
    """

    def __init__(self, roots: Roots) -> None:
        self.roots = roots
        self._datasets: dict[str, str] = {}
        self._judged: set[str] = set()
        self._weights: dict[str, str] = {}
        self._images: dict[str, str] = {}
        self._folders: dict[Path, str] = {}
        self._towers: dict[str, str] = {}
        self._named: dict[str, str] = {}

    def check(self, cells: Iterable[Cell]) -> None:
        """Raise one DataError that lists every recording and weight that cannot be read."""
        problems: dict[str, None] = {}
        for cell in cells:
            drawn = [self.weights] if cell.draws else []
            for look in (self.dataset, *drawn, self.tower):
                try:
                    look(cell)
                except UserError as error:
                    problems[str(error)] = None
        if problems:
            raise DataError("\n".join(problems))

    def dataset(self, cell: Cell) -> str:
        """Return what the data set says of its source files."""
        name, params = cell.dataset.name, signal_params(cell.dataset)
        if DATASETS.spec(name).meta.get("needs_root") and self.roots.data is None:
            raise DataError(
                f"data set {name!r} reads recordings from disk: name their folder with --data-root"
            )
        # The constructor also judges what only selects trials (split, limit): before stages run.
        judged = canonical([name, cell.dataset.params])
        if judged not in self._judged:
            DATASETS.create(name, **cell.dataset.params)
            self._judged.add(judged)
        known = canonical([name, params])
        if known not in self._datasets:
            dataset = DATASETS.create(name, **params)
            self._datasets[known] = str(dataset.fingerprint(self.roots.data))
        return self._datasets[known]

    def weights(self, cell: Cell) -> str | None:
        """Return the content hash of the denoiser's weights; None where none are named."""
        weights = cell.pipeline.params.get("weights")
        if weights is None:
            return None
        from zoo.pipelines._weights import fingerprint

        if weights not in self._weights:
            self._weights[weights] = fingerprint(weights, self.roots.weights)
        return self._weights[weights]

    def tower(self, cell: Cell) -> str | None:
        """Return the content hash of the image tower that the objective names; None without."""
        name = tower_of(cell)
        if name is None:
            return None
        from zoo.towers.table import fingerprint, missing

        if name not in self._named:
            if problems := missing(name, self.roots.weights):
                raise UserError("\n".join(problems))
            self._named[name] = fingerprint(name, self.roots.weights)
        return self._named[name]

    def tower_missing(self, name: str) -> str | None:
        """Return what keeps a metric's image tower from being loaded; None where it is there.

        The folder is called DIR, as in the remedy: the sentence is part of a key, and a key says
        nothing about where a user keeps weights.
        """
        from zoo.towers.table import missing

        if name not in self._towers:
            sentence = " ".join(missing(name, self.roots.weights))
            if self.roots.weights is not None:
                sentence = sentence.replace(str(self.roots.weights), "DIR")
            self._towers[name] = sentence
        return self._towers[name] or None

    def tower_named(self, name: str) -> str:
        """Return the content hash of an image tower that is there."""
        from zoo.towers.table import fingerprint

        if name not in self._named:
            self._named[name] = fingerprint(name, self.roots.weights)
        return self._named[name]

    def judge(self, judge: str | None) -> str | None:
        """Return the content hash of the judge that ships; None for one made from the data."""
        if judge != "pocket":
            return None
        from zoo.stages._pocket_judge import SHIPPED

        return self._folder(SHIPPED, _content)

    def images(self, cell: Cell) -> str | None:
        """Return a hash of the files in ``--image-root``; None where pictures are with the data.

        By name, size and time of change: the folder may hold a million pictures.
        """
        root = self.roots.images
        if root is None:
            return None
        known = canonical([cell.dataset.name, cell.dataset.params])
        if known not in self._images:
            dataset = DATASETS.create(cell.dataset.name, **cell.dataset.params)
            if hasattr(dataset, "pictures_fingerprint"):  # it knows which of a million are its own
                self._images[known] = str(dataset.pictures_fingerprint(root))
            else:
                self._images[known] = self._folder(root, _listing)
        return self._images[known]

    def _folder(self, root: Path, of_file: Callable[[Path], str]) -> str:
        if root not in self._folders:
            whole = hashlib.sha256()
            for path in sorted(p for p in root.rglob("*") if p.is_file()):
                whole.update(f"{path.relative_to(root).as_posix()}\0{of_file(path)}\n".encode())
            self._folders[root] = whole.hexdigest()
        return self._folders[root]


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listing(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
