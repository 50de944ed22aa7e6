"""The `sources` of a recipe: where its choices come from, by the paths they are about.

A note is text, or ``{from: ours, chosen_on: val}``, which says as well what the choice was made
on. It holds for everything at or below its path. Notes on a stand-in's values have the stand-in
before their path: ``pocket.data.encoder.train``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry import ComponentError, did_you_mean
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node
from zoo.recipe.overrides import path_problem
from zoo.recipe.schema import shown
from zoo.registries import REGISTRIES

#: What a value can have been chosen on; "none": by no score at all.
CHOSEN_ON = ("train", "val", "test", "other data", "none")
#: What is printed of choices of which a recipe does not say it.
NOT_SAID = "not said"
#: Where values come from that the file's notes are not about.
COMMAND_LINE = "command line"

_KEYS = ("from", "chosen_on")
_STAND_INS = ("pocket.data.", "pocket.weights.")
_WITH_PARAMS = ("dataset", "encoder", "conditioner", "pipeline")

#: Dotted path -> text, or {"from": text, "chosen_on": one of `CHOSEN_ON`}.
Sources = dict[str, Any]


@dataclass(frozen=True)
class Note:
    """What is known of a choice.

    Parameters
    ----------
    path : str
        That the note is written for.
    origin : str
        Where the choice comes from, in words.
    chosen_on : str
        One of `CHOSEN_ON`, or `NOT_SAID`.
    """

    path: str
    origin: str
    chosen_on: str


def notes(sources: Sources) -> dict[str, Note]:
    """Return the notes by path."""
    found = {}
    for path, said in sources.items():
        if isinstance(said, str):
            found[path] = Note(path, said, NOT_SAID)
        else:
            found[path] = Note(path, said["from"], said.get("chosen_on", NOT_SAID))
    return found


def note_on(path: str, known: Mapping[str, Note]) -> Note | None:
    """Return the note that says most exactly where the value at `path` comes from."""
    steps = path.split(".")
    above = (".".join(steps[:n]) for n in range(len(steps), 0, -1))
    return next((known[one] for one in above if one in known), None)


def in_force(
    written: Sources, stand_ins: Mapping[str, Iterable[str]], command_line: Iterable[str]
) -> Sources:
    """Return the notes that hold once stand-ins and ``--set`` have replaced values.

    Parameters
    ----------
    written : dict
        As in the file.
    stand_ins : mapping
        Stand-in in use ("data", "weights") -> dotted paths that it sets.
    command_line : iterable of str
        Dotted paths that ``--set`` gave.
    """
    found = {path: said for path, said in written.items() if not path.startswith(_STAND_INS)}
    for kind, paths in stand_ins.items():
        start = f"pocket.{kind}."
        own = {p.removeprefix(start): said for p, said in written.items() if p.startswith(start)}
        found = _replaced(found, paths, own, f"stand-in for {kind}")
    return _replaced(found, command_line, {}, COMMAND_LINE)


def _replaced(sources: Sources, paths: Iterable[str], own: Sources, origin: str) -> Sources:
    """Return the notes after a layer has set `paths`: `own` are about it, others are not."""
    given = [path.removesuffix(".name") for path in paths]
    whole = [one for one in given if not any(one.startswith(f"{other}.") for other in given)]
    kept = {path: said for path, said in sources.items() if not _within(path, whole)}
    below, mine = notes(sources), notes(own)
    for one in whole:
        if (note := note_on(one, mine)) is not None:
            kept[one] = own[note.path]
        elif note_on(one, below) or any(_within(path, [one]) for path in sources):
            kept[one] = origin
    return kept | {path: said for path, said in own.items() if _within(path, whole)}


def _within(path: str, whole: Sequence[str]) -> bool:
    return any(f"{path}.".startswith(f"{one}.") for one in whole)


def check_sources(entries: Mapping[str, Node], trees: Sequence[Node], problems: Problems) -> None:
    """Note every entry that is about no setting, or says nothing.

    Parameters
    ----------
    entries : mapping
        Dotted path -> note.
    trees : sequence of Node
        The merged tree of every cell, with and without stand-ins: a note may be about any.
    problems : Problems
    """
    for dotted, node in entries.items():
        about = next((dotted.removeprefix(s) for s in _STAND_INS if dotted.startswith(s)), dotted)
        problem = path_problem(about) or _parameter_problem(about, trees) or _note_problem(node)
        if problem is not None:
            problems.add(node.where, problem)


def _note_problem(node: Node) -> str | None:
    """Return what is wrong with a note, or None."""
    if isinstance(node.value, str):
        return None
    entries = node.entries()
    origin, chosen_on = entries.get("from"), entries.get("chosen_on")
    if not entries or origin is None or not isinstance(origin.value, str):
        return "must say in words where the choice comes from, or {from: WORDS, chosen_on: SPLIT}"
    for key in entries:
        if key not in _KEYS:
            return f"has no key {key!r}. {did_you_mean(key, _KEYS)}It takes: {', '.join(_KEYS)}"
    if chosen_on is not None and chosen_on.value not in CHOSEN_ON:
        hint = did_you_mean(str(chosen_on.value), CHOSEN_ON)
        return f"chosen_on is {shown(chosen_on.value)}. {hint}It takes: {', '.join(CHOSEN_ON)}"
    return None


def _parameter_problem(dotted: str, trees: Sequence[Node]) -> str | None:
    """Return what is wrong with a path like "encoder.params.n_tokens": no component takes it."""
    kind, *rest = dotted.split(".")
    if kind not in _WITH_PARAMS or len(rest) < 2 or rest[0] != "params":
        return None
    found = (tree.at((kind, "name")) for tree in trees)
    names = sorted({str(node.value) for node in found if node is not None})
    known: dict[str, None] = {}
    for name in names:
        try:
            known.update(dict.fromkeys(p.name for p in REGISTRIES[kind].spec(name).parameters))
        except ComponentError:  # reported where it is named, or replaced by a stand-in
            return None
    if not names or rest[1] in known:
        return None
    hint = did_you_mean(rest[1], known)
    return f"{kind} {' and '.join(map(repr, names))} has no parameter {rest[1]!r}. {hint}".strip()
