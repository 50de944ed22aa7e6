"""The two arms of a comparison: which cell of one stands against which of the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry import BadParameters
from zoo.grid_scores import GridScores, NotAnswered, Where, words
from zoo.recipe.cells import Block, Cell
from zoo.recipe.where import ABSENT, value_at

Level = tuple[tuple[str, Any], ...]
Pair = tuple[Cell, Cell]

#: Blocks that are trained, at learning rates that an arm may be given.
_TRAINED = ("encoder", "conditioner")


@dataclass(frozen=True)
class Arms:
    """Cells of two arms, paired.

    Parameters
    ----------
    pairs : list of (Cell, Cell)
        They agree in the seed and in every other axis.
    levels : dict
        Cell id of the first arm -> its place on the other axes, ``((path, value), ...)``.
    alone : list of str
        Ids of cells without a partner.
    """

    pairs: list[Pair]
    levels: dict[str, Level]
    alone: list[str]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Return the cells of both arms."""
        return tuple(cell for pair in self.pairs for cell in pair)

    @property
    def places(self) -> dict[str, dict[str, Any]]:
        """Return each distinct level, by its text; only the empty one where no axis is left."""
        return {repr(level): dict(level) for level in self.levels.values()}

    def place(self, pair: Pair) -> tuple[int, str]:
        """Return the seed of a pair and the text of its level."""
        return pair[0].seed, repr(self.levels[pair[0].id])

    def at(self, places: Collection[tuple[int, str]]) -> Arms:
        """Return the pairs at some of the places; the cells of all others are alone."""
        kept = [pair for pair in self.pairs if self.place(pair) in places]
        others = [p for p in self.pairs if self.place(p) not in places]
        alone = [*self.alone, *(cell.id for pair in others for cell in pair)]
        levels = {pair[0].id: self.levels[pair[0].id] for pair in kept}
        return Arms(kept, levels, alone)


def paired(scores: GridScores, a: Where, b: Where) -> Arms:
    """Return the cells that match `a` and `b`, paired by what else varies within both.

    Raises
    ------
    NotAnswered
        An arm is empty, the arms share a cell, an arm has two cells at one place, or no two cells
        agree.
    """
    ours, theirs = scores.matching(a), scores.matching(b)
    if both := {cell.id for cell in ours} & {cell.id for cell in theirs}:
        raise NotAnswered(f"{min(both)} is in both arms ({words(a)}; {words(b)})")
    axes = _other_axes(ours, theirs, {*a, *b})
    first, second = _placed(ours, axes, a), _placed(theirs, axes, b)
    shared = [place for place in first if place in second]
    if not shared:
        raise NotAnswered(
            f"no cell with {words(a)} agrees with one with {words(b)} in {', '.join(axes)}"
        )
    alone = [cells[p].id for cells in (first, second) for p in cells if p not in shared]
    levels = {
        first[place].id: tuple(
            (axis, value_at(first[place], axis)) for axis in axes if axis != "seed"
        )
        for place in shared
    }
    return Arms([(first[p], second[p]) for p in shared], levels, alone)


def together(when: Arms, than: Arms) -> list[Arms]:
    """Return the pairs of both that agree in the seed and in every other axis.

    Raises
    ------
    NotAnswered
        No two pairs agree.
    """
    places = [{arms.place(pair) for pair in arms.pairs} for arms in (when, than)]
    shared = places[0] & places[1]
    if not shared:
        raise NotAnswered(
            f"no pair like {when.pairs[0][0].id} agrees with one like {than.pairs[0][0].id} in "
            "the seed and every other axis"
        )
    return [when.at(shared), than.at(shared)]


def check_selections(a: Where, b: Where, when: Where | None, than: Where | None) -> None:
    """Refuse half a question, and one whose halves do not part what is compared.

    Raises
    ------
    BadParameters
    """
    for name, where in {"a": a, "b": b, "when": when, "than": than}.items():
        if not isinstance(where, Mapping | None):
            raise BadParameters(
                f"analysis 'difference': {name!r} maps dotted paths to values, it is {where!r}"
            )
    if bool(when) != bool(than):
        given, lacks = ("when", "than") if when else ("than", "when")
        raise BadParameters(f"analysis 'difference': {given!r} needs {lacks!r} beside it")
    if not when or not than:
        return
    if when.keys() != than.keys() or dict(when) == dict(than):
        raise BadParameters(
            "analysis 'difference': 'when' and 'than' name the same paths, with other values"
        )
    if both := sorted(when.keys() & {*a, *b}):
        raise BadParameters(
            f"analysis 'difference': {both[0]!r} stands in 'when' and in an arm; leave it to one"
        )


def trained_apart(a: Where, b: Where) -> list[str]:
    """Return the trained blocks in which two arms differ."""
    differing = {path for path in {*a, *b} if a.get(path, ABSENT) != b.get(path, ABSENT)}
    return [block for block in _TRAINED if block in {p.partition(".")[0] for p in differing}]


def has_own_rates(cell: Cell, blocks: Collection[str]) -> bool:
    """Say whether the recipe's ``arms`` set a learning rate in each of the blocks."""
    paths = [path.split(".") for path in cell.tuned]
    return all(any(p[:2] == [block, "train"] and "lr" in p for p in paths) for block in blocks)


def _other_axes(ours: tuple[Cell, ...], theirs: tuple[Cell, ...], named: set[str]) -> list[str]:
    """Return the seed and every varied path that neither arm names and that both vary."""
    named = {_full(ours[0], path) for path in named}
    varied = dict.fromkeys(
        path
        for cell in (*ours, *theirs)
        for axis, value in cell.coords.items()
        for path in _leaves(_full(cell, axis, value), value)
    )
    others = [path for path in varied if path not in named and path != "seed"]
    return ["seed", *(p for p in others if _varies(ours, p) and _varies(theirs, p))]


def _full(cell: Cell, path: str, value: Any = None) -> str:
    """Return ``encoder.name`` for ``encoder``, unless a whole block stands there."""
    is_block = isinstance(getattr(cell, path, None), Block)
    return f"{path}.name" if is_block and not isinstance(value, Mapping) else path


def _leaves(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    else:
        yield path


def _varies(cells: tuple[Cell, ...], path: str) -> bool:
    values = {repr(value_at(cell, path)) for cell in cells}
    return len(values) > 1 and repr(ABSENT) not in values


def _placed(cells: tuple[Cell, ...], axes: list[str], where: Where) -> dict[str, Cell]:
    """Return place on the other axes -> cell."""
    placed: dict[str, Cell] = {}
    for cell in cells:
        place = repr([value_at(cell, axis) for axis in axes])
        if place in placed:
            raise NotAnswered(
                f"{words(where)} leaves open which of {placed[place].id} and {cell.id} is meant; "
                "add what they differ in"
            )
        placed[place] = cell
    return placed
