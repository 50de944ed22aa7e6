"""What differs between the settings: in their recipes, and in what a recipe does not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.compare.settings import STAMP, Setting

#: What of a recipe changes no figure.
_SAID = ("schema", "name", "summary", "sources", "published", "analyses", "tuned", "given")
#: Stands for "not there", which null is not.
_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """One thing in which settings differ.

    Parameters
    ----------
    path : str
        Dotted, as ``--set`` takes it.
    values : dict
        Setting's name -> value; a setting that has no such thing is left out.
    """

    path: str
    values: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return path and values."""
        return {"path": self.path, "values": self.values}


def recipe_changes(settings: Sequence[Setting]) -> list[Change]:
    """Return every dotted path of the resolved recipes whose value is not the same in all.

    Of metrics only their parameters: the table of figures tells who was asked for which.
    """
    changes = _changes({setting.name: recipe_of(setting) for setting in settings})
    return [change for change in changes if not _is_asked_for_only(change)]


def _is_asked_for_only(change: Change) -> bool:
    values = list(change.values.values())
    return change.path.startswith("metrics.") and all(value == values[0] for value in values)


def recipe_of(setting: Setting) -> dict[str, Any]:
    """Return dotted path -> value of a setting's resolved recipe; metrics go by their labels."""
    tree = {key: value for key, value in setting.recipe.items() if key not in _SAID}
    metrics = {block.get("label", block["name"]): block for block in tree.get("metrics", [])}
    labelled = {
        label: {key: value for key, value in block.items() if key != "label"}
        for label, block in metrics.items()
    }
    return flat({**tree, "metrics": labelled})


def beyond_recipes(settings: Sequence[Setting]) -> list[Change]:
    """Return what differs though no recipe says so: stand-ins, recordings, versions, source.

    Only what all settings have is compared. Other components are other source files, so the
    source is compared only where the components are the same.
    """
    same_parts = not any(
        change.path.split(".")[-1] == "name" for change in recipe_changes(settings)
    )
    changes = _changes({setting.name: _surroundings(setting, same_parts) for setting in settings})
    return [change for change in changes if len(change.values) == len(settings)]


def _surroundings(setting: Setting, with_code: bool) -> dict[str, Any]:
    about = setting.provenance
    parts = {key: about.get(key) or {} for key in ("datasets", "versions")}
    weights = {found["name"]: found["sha256"] for found in about.get("weights", [])}
    single = {key: about.get(key) for key in (["images", "code"] if with_code else ["images"])}
    stamp = {key: setting.results.get(key) for key in STAMP}
    return flat({"stand-ins": stamp, **parts, "weights": weights}) | single


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted path -> value of a tree's leaves; lists are values."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        inner = isinstance(value, dict)
        found |= flat(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return found


def _changes(trees: dict[str, dict[str, Any]]) -> list[Change]:
    paths = dict.fromkeys(path for tree in trees.values() for path in tree)
    found = []
    for path in paths:
        values = [tree.get(path, _ABSENT) for tree in trees.values()]
        if any(value != values[0] for value in values):
            given = {name: tree[path] for name, tree in trees.items() if path in tree}
            found.append(Change(path, given))
    return found
