"""Stand-ins: which cells run on simulated EEG or pocket weights, and what ``full`` is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from registry import ComponentError, ComponentSpec, Registry
from zoo.datasets._simulated import MARKER, is_simulated
from zoo.recipe.cells import Cell
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node
from zoo.registries import DATASETS, OBJECTIVES, PIPELINES

#: The weights that ship; they count as a stand-in wherever they are named.
POCKET = "pocket"
_DATASET = ("dataset", "name")
_PIPELINE = ("pipeline", "name")
_WEIGHTS = ("pipeline", "params", "weights")
_OBJECTIVE = ("encoder", "train", "objective")
_TOWER = (*_OBJECTIVE, "params", "tower")


def stamps(cells: Sequence[Cell], data_root: Path | None = None) -> dict[str, Any]:
    """Return what every output says about the cells: scale, data, weights, stand_ins.

    And which data sets are ``simulated``.
    """
    names = {cell.dataset.name for cell in cells}
    made = {name for name in names if _is_simulated(name, data_root)}
    simulated = [cell.dataset.name in made for cell in cells]
    drawn = [cell for cell in cells if cell.draws]
    pocket = [_weights(cell) == POCKET for cell in drawn]
    stand_ins = [kind for kind, used in (("data", simulated), ("weights", pocket)) if any(used)]
    if not stand_ins:
        scale = "full"
    else:
        scale = "pocket" if all(simulated) and all(pocket) else "mixed"
    return {
        "scale": scale,
        "data": "simulated" if any(simulated) else "real",
        "weights": "+".join(dict.fromkeys(str(_weights(cell)) for cell in drawn)) or "none",
        "stand_ins": tuple(stand_ins),
        "simulated": frozenset(made),
    }


def require_data(trees: Sequence[Node], data_root: Path | None, problems: Problems) -> None:
    """Note every data set that reads recordings while no folder is named."""
    for tree in _each(trees, _DATASET):
        spec = _spec(DATASETS, tree.at(_DATASET))
        if data_root is None and spec is not None and spec.meta.get("needs_root"):
            problems.add(
                tree.locate(("dataset", "name")),
                f"dataset {spec.name!r} reads recordings from disk; name their folder with "
                f"--data-root ('zoo show datasets {spec.name}' says what must be in it)",
            )


def require_weights(
    trees: Sequence[Node], weights_root: Path | None, problems: Problems, *, for_run: bool
) -> None:
    """Note weights that cannot be there; for a run also those that have to be fetched first."""
    from zoo.pipelines._weights import NAMED

    for tree in _each(trees, _WEIGHTS, _PIPELINE):
        weights = _weights_named(tree)
        unknown = weights_root is None and weights not in NAMED
        judged = problems.at(tree.locate(_WEIGHTS))
        if isinstance(weights, str) and (for_run or unknown) and not judged:
            _note_missing(tree, weights, weights_root, problems)


def require_tower(trees: Sequence[Node], weights_root: Path | None, problems: Problems) -> None:
    """Note image towers that have to be fetched first."""
    from zoo.towers.table import missing

    for tree in _each(trees, _TOWER, (*_OBJECTIVE, "name")):
        name = _tower_named(tree)
        if isinstance(name, str) and not problems.at(tree.locate(_TOWER)):
            for message in missing(name, weights_root):
                problems.add(tree.locate(_TOWER), message)


def forbid(
    trees: Sequence[Node], data_root: Path | None, weights_root: Path | None, problems: Problems
) -> None:
    """Note every stand-in and every missing piece: what ``--scale full`` promises not to use.

    Works on trees, so that it also speaks where a cell cannot be made for another reason.
    """
    from zoo.towers.table import TOWERS

    require_data(trees, data_root, problems)
    for tree in _each(trees, _DATASET, _WEIGHTS, _PIPELINE, _TOWER, (*_OBJECTIVE, "name")):
        dataset = _spec(DATASETS, tree.at(("dataset", "name")))
        if is_simulated(data_root):
            problems.add(
                tree.locate(("dataset", "name")),
                f"--data-root {data_root} holds simulated recordings ({MARKER}), a stand-in that "
                "--scale full forbids; name real ones",
            )
        if dataset is not None and not dataset.meta.get("needs_root"):
            problems.add(
                tree.locate(("dataset", "name")),
                f"dataset {dataset.name!r} is simulated, a stand-in that --scale full "
                "forbids; name a data set of recordings and its folder with --data-root",
            )
        weights = _weights_named(tree)
        if weights == POCKET:
            problems.add(
                tree.locate(_WEIGHTS),
                "weights 'pocket' are a stand-in that --scale full forbids; name real ones, "
                "for example sd-1.5",
            )
        elif isinstance(weights, str):
            _note_missing(tree, weights, weights_root, problems)
        tower = TOWERS.get(str(_tower_named(tree)))
        if tower is not None and tower.ships:
            problems.add(
                tree.locate(_TOWER),
                f"image tower {_tower_named(tree)!r} is a stand-in that --scale full forbids; "
                "name a real one, for example clip-vit-l-14",
            )
    require_tower(trees, weights_root, problems)


def _each(trees: Sequence[Node], *paths: tuple[str, ...]) -> list[Node]:
    """Return the trees that differ in what is written at `paths`, or in where it is written."""
    found: dict[tuple[tuple[object, object], ...], Node] = {}
    for tree in trees:
        nodes = [tree.at(path) for path in paths]
        written = tuple((node and repr(node.value), node and node.where) for node in nodes)
        found.setdefault(written, tree)
    return list(found.values())


def _tower_named(tree: Node) -> Any:
    """Return the image tower that the objective will use; None for an objective on labels."""
    spec = _spec(OBJECTIVES, tree.at((*_OBJECTIVE, "name")))
    if spec is None or spec.meta.get("target") != "image":
        return None
    written = tree.at(_TOWER)
    parameter = spec.parameter("tower")
    return written.value if written else None if parameter is None else parameter.default


def _weights_named(tree: Node) -> Any:
    """Return the weights that the pipeline will load, its own default where none are written.

    None where nothing is drawn.
    """
    pictures = tree.at(("pipeline", "sample", "images_per_trial"))
    if pictures is not None and pictures.value == 0:
        return None
    written = tree.at(_WEIGHTS)
    if written is not None:
        return written.value
    spec = _spec(PIPELINES, tree.at(("pipeline", "name")))
    parameter = None if spec is None else spec.parameter("weights")
    return None if parameter is None else parameter.default


def _note_missing(tree: Node, weights: str, weights_root: Path | None, problems: Problems) -> None:
    from zoo.pipelines._weights import missing

    for message in missing(weights, weights_root):
        problems.add(tree.locate(_WEIGHTS), message)


def _spec(registry: Registry, name: Node | None) -> ComponentSpec | None:
    """Return the component's spec; None where there is none, which has been noted already."""
    try:
        return None if name is None else registry.spec(str(name.value))
    except ComponentError:
        return None


def _is_simulated(dataset: str, data_root: Path | None) -> bool:
    """A data set that needs no root makes its trials itself; a root may say that it was made."""
    return not DATASETS.spec(dataset).meta.get("needs_root", False) or is_simulated(data_root)


def _weights(cell: Cell) -> Any:
    return cell.pipeline.params.get("weights")
