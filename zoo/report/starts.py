"""Where the trainings of a grid start from, in words: "from scratch", "from subject 1, 0 steps"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.report.recipes import Recipe, value_in, words_of

#: The key of a training block that says what it starts from.
KEY = "init_from"
#: Numbers under these names are names: there is nothing between subject 1 and subject 2.
NAMES = ("subject", "subjects", "session", "run", "fold")

#: Dotted path -> value: what a setting says of its place in the grid.
Leaves = dict[str, Any]


@dataclass(frozen=True)
class _Start:
    """How one setting starts.

    Parameters
    ----------
    way : str
        What settings that start alike have in common, as the grid writes it.
    written, source : dict or None
        The changes that make the source: as the grid writes them, and with what arms have set.
        None is no source.
    own : dict
        Path of a change -> what the setting itself has there.
    untrained : bool
        True where the source is taken as it is.
    """

    way: str
    written: dict[str, Any] | None
    source: dict[str, Any] | None
    own: dict[str, Any]
    untrained: bool


def with_starts_told(settings: Sequence[Leaves], recipes: Sequence[Recipe]) -> list[Leaves]:
    """Return the leaves with every start in words, the same for settings that start alike.

    Parameters
    ----------
    settings : sequence of dict
        Of each setting; a leaf that ends in ``init_from`` has the changes that make the source.
    recipes : sequence of dict
        Of each setting, with what arms have set; empty where they are not known.
    """
    found = [dict(one) for one in settings]
    for path in dict.fromkeys(path for one in settings for path in one if is_start(path)):
        starts = _starts(path, settings, recipes)
        words = _words([start for start in starts if start is not None])
        for leaves, start in zip(found, starts, strict=True):
            if start is not None:
                leaves[path] = words[start.way]
    return found


def is_start(path: str) -> bool:
    """Say whether a dotted path is that of a start."""
    return path.rpartition(".")[2] == KEY


def _starts(
    path: str, settings: Sequence[Leaves], recipes: Sequence[Recipe]
) -> list[_Start | None]:
    """Return how each setting starts; None where nothing says it."""
    steps = f"{path.removesuffix(KEY)}steps"
    found: list[_Start | None] = []
    for i, leaves in enumerate(settings):
        recipe = recipes[i] if recipes else None
        if recipe is None and path not in leaves:
            found.append(None)
            continue
        source = leaves[path] if recipe is None else value_in(recipe, path)
        written = leaves.get(path, source)
        untrained = (leaves.get(steps) if recipe is None else value_in(recipe, steps)) == 0
        own = {key: value_in(recipe or {}, key) for key in source or {}}
        found.append(_Start(repr((written, untrained)), written, source, own, untrained))
    return found


def _words(starts: Sequence[_Start]) -> dict[str, str]:
    """Return the way of each start in words, as short as tells the ways apart."""
    ways: dict[str, list[_Start]] = {}
    for start in starts:
        ways.setdefault(start.way, []).append(start)
    sources = [group[0].written for group in ways.values() if group[0].written]
    paths = list(dict.fromkeys(path for source in sources for path in source))
    telling = [path for path in paths if _is_name(path) or _differs(path, sources)]
    for told in (telling or paths, paths):
        words = {way: _way(group, told, starts) for way, group in ways.items()}
        if len(set(words.values())) == len(words):
            return words
    return {way: f"start {number}" for number, way in enumerate(ways, 1)}


def _way(group: Sequence[_Start], told: Sequence[str], starts: Sequence[_Start]) -> str:
    written = group[0].written
    if written is None:
        return "from scratch"
    parts = [_part(path, group, starts) for path in told if path in written]
    words = f"from {', '.join(parts)}" if parts else "from other weights"
    return f"{words}, 0 steps" if group[0].untrained else words


def _part(path: str, group: Sequence[_Start], starts: Sequence[_Start]) -> str:
    """Return one change of the source: "subject 1", "the other subjects", "limit none"."""
    name = path.rpartition(".")[2].replace("_", " ")
    values = [(start.source or {}).get(path) for start in group]
    alike, one = all(value == values[0] for value in values), name.removesuffix("s")
    if name in NAMES and all(isinstance(value, list) for value in values):
        if not alike:
            shared = any({*_listed(start.own[path])} & {*start.source[path]} for start in group)
            return f"several {one}s" if shared else f"the other {one}s"
        everyone = {one for start in starts for one in _listed(start.own.get(path))}
        if len(everyone) > 1 and everyone == {*values[0]}:
            return f"all {one}s"
        return f"{one if len(values[0]) == 1 else f'{one}s'} {words_of(values[0])}"
    if not alike:
        return f"another {name}"
    said = words_of(values[0])
    return said if name == "name" else f"{name} {said}"


def _listed(own: Any) -> list[Any]:
    """Return what a setting has as a list: it may have one session, and its source several."""
    if isinstance(own, list):
        return own
    return [] if own is None else [own]


def _is_name(path: str) -> bool:
    return path.rpartition(".")[2] in (*NAMES, "name")


def _differs(path: str, sources: Sequence[dict[str, Any]]) -> bool:
    return len({repr(source.get(path, ...)) for source in sources}) > 1
