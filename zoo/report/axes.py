"""The axes of a grid as a reader counts them: what really varies, leaf by leaf, and its names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.report.recipes import Recipe, words_of
from zoo.report.starts import KEY, NAMES, is_start, with_starts_told

#: Stands for a leaf that a setting does not name.
ABSENT = "default"
#: Blocks whose axes make the rows of a heat map; the others make its columns.
ENCODER_SIDE = ("dataset", "encoder")
#: Coordinates that are no setting: the seed, and the step of a snapshot.
APART = ("seed", "step")
#: What a reader calls the source of a training.
_START = "start"
#: Groups of settings inside a block; their names say nothing to a reader.
_INSIDE = ("params", "train", "sample")


@dataclass(frozen=True)
class Axis:
    """One thing in which the settings of a grid differ.

    Parameters
    ----------
    title : str
        ``"encoder"``, ``"opens"``.
    leaves : tuple of str
        Dotted paths that vary together, the first one names the axis: a component with the
        parameters that it alone has is one axis.
    values : tuple of str
        Of each setting, in their order.
    numbers : tuple of (float or None), or None
        Of each setting, where the axis is a quantity; None stands for "no limit".
    """

    title: str
    leaves: tuple[str, ...]
    values: tuple[str, ...]
    numbers: tuple[float | None, ...] | None = None

    @property
    def levels(self) -> list[str]:
        """The distinct values: quantities by size, names in order of appearance."""
        first = dict(zip(self.values, self.numbers or self.values, strict=True))
        if self.numbers is None:
            return list(first)
        return sorted(first, key=lambda level: (first[level] is None, first[level]))

    @property
    def of_encoder(self) -> bool:
        """True for what varies in data set or encoder."""
        return self.leaves[0].partition(".")[0] in ENCODER_SIDE

    def in_a_name(self, i: int) -> str:
        """Return how the name of a setting tells its value: "clip_text", "opens attn2"."""
        return _named(self.leaves[0], self.title, self.values[i])


def varying_axes(coords: Sequence[dict[str, Any]], recipes: Sequence[Recipe] = ()) -> list[Axis]:
    """Return what varies between settings.

    A parameter that another axis decides is none, nor are training settings (a learning rate) that
    follow from the arm; a parameter that only some components have belongs to the axis of their
    names. What a training starts from is one value.

    Parameters
    ----------
    coords : sequence of dict
        Of each setting: dotted axis -> value as written, whole blocks possible.
    recipes : sequence of dict, optional
        Of each setting, where they are known: what arms have set is not among the coordinates.
    """
    flat = with_starts_told([_leaves(one) for one in coords], recipes)
    order = list(dict.fromkeys(path for one in flat for path in one))
    columns = {path: [one.get(path, ABSENT) for one in flat] for path in order}
    varying = [path for path in order if len({_key(value) for value in columns[path]}) > 1]
    groups: list[list[str]] = []
    for path in sorted(varying, key=_rank):
        deciding = [[leaf for group in groups for leaf in group]] if ".train." in path else groups
        if any(_follows(columns, path, group) for group in deciding):
            continue
        name = f"{path.partition('.')[0]}.name"
        of_name = next((group for group in groups if group[0] == name), None)
        if of_name and _only_some_have(columns, path, name):
            of_name.append(path)
        else:
            groups.append([path])
    groups.sort(key=lambda group: order.index(group[0]))
    titles = _titles([group[0] for group in groups])
    return [_axis(title, group, columns) for title, group in zip(titles, groups, strict=True)]


def setting_names(axes: Sequence[Axis], n: int) -> list[str]:
    """Return the name of each of `n` settings: "clip_text, text encoder trained, opens attn2"."""
    return [", ".join(axis.in_a_name(i) for axis in axes) for i in range(n)]


def place_name(place: dict[str, Any]) -> str:
    """Return the name of a place on some axes: "opens attn2, lr projection 0.03"."""
    return _told(with_starts_told([_leaves(place)], ())[0])


def place_names(places: Sequence[dict[str, Any]]) -> list[str]:
    """Return the name of each place: of an exchanged block its name alone, where that is enough."""
    told = with_starts_told([_leaves(place) for place in places], ())
    exchanged = dict.fromkeys(path for one in told for path in one if path.endswith(".name"))
    for name in exchanged:
        block = name.removesuffix("name")
        short = [
            {
                p: v
                for p, v in one.items()
                if p == name or name not in one or not p.startswith(block)
            }
            for one in told
        ]
        if len(set(map(_key, short))) == len(set(map(_key, told))):
            told = short
    return [_told(one) for one in told]


def joined(axes: Sequence[Axis], n: int) -> tuple[list[str], list[str]]:
    """Return the values of several axes as one: of each of `n` settings, and the distinct ones."""
    if len(axes) == 1:
        return list(axes[0].values), axes[0].levels
    values = setting_names(axes, n)
    return values, list(dict.fromkeys(values))


def _told(leaves: dict[str, Any]) -> str:
    titles = _titles(list(leaves))
    return ", ".join(
        _named(path, title, words_of(value))
        for title, (path, value) in zip(titles, leaves.items(), strict=True)
    )


def _named(path: str, title: str, value: str) -> str:
    """Return a value with the title that it needs to be understood."""
    return value if path.endswith(".name") or title == _START else f"{title} {value}"


def _rank(path: str) -> tuple[bool, bool, bool]:
    """Put first what decides others: names, then what a training starts from."""
    return ".train." in path, not is_start(path), not path.endswith(".name")


def _leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted path -> value; a block named by a word is that block's name."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if path in APART:
            continue
        if isinstance(value, dict) and value and not is_start(path):
            found |= _leaves(value, f"{path}.")
        else:
            found[f"{path}.name" if "." not in path else path] = value
    return found


def _follows(columns: dict[str, list[Any]], path: str, group: Sequence[str]) -> bool:
    """Say whether the values of a group of leaves decide the value at `path`."""
    seen: dict[tuple[str, ...], str] = {}
    rows = zip(*(columns[leaf] for leaf in group), strict=True)
    pairs = zip(rows, columns[path], strict=False)
    return bool(group) and all(
        seen.setdefault(tuple(map(_key, row)), _key(value)) == _key(value) for row, value in pairs
    )


def _only_some_have(columns: dict[str, list[Any]], path: str, name: str) -> bool:
    """Say whether some component of the block never has the leaf."""
    having: dict[str, bool] = {}
    for component, value in zip(columns[name], columns[path], strict=True):
        having[_key(component)] = having.get(_key(component), False) or value is not ABSENT
    return not all(having.values())


def _axis(title: str, group: list[str], columns: dict[str, list[Any]]) -> Axis:
    first, *rest = group
    words = _titles(rest)
    values = []
    for i, value in enumerate(columns[first]):
        given = [(leaf, word, columns[leaf][i]) for word, leaf in zip(words, rest, strict=True)]
        parts = [_named(leaf, word, words_of(v)) for leaf, word, v in given if v is not ABSENT]
        values.append(", ".join([words_of(value), *parts]))
    return Axis(title, tuple(group), tuple(values), None if rest else _numbers(first, columns))


def _numbers(path: str, columns: dict[str, list[Any]]) -> tuple[float | None, ...] | None:
    values = [None if value is ABSENT else value for value in columns[path]]
    sizes = [value for value in values if value is not None]
    quantities = all(isinstance(v, int | float) and not isinstance(v, bool) for v in sizes)
    if path.rpartition(".")[2] in NAMES or not quantities or len(set(sizes)) < 2:
        return None
    return tuple(None if value is None else float(value) for value in values)


def _titles(paths: Sequence[str]) -> list[str]:
    """Return what a reader calls each path; the block stands before it where two are alike."""
    short = [_title(path) for path in paths]
    return [
        f"{path.partition('.')[0]} {title}" if short.count(title) > 1 else title
        for path, title in zip(paths, short, strict=True)
    ]


def _title(path: str) -> str:
    block, *rest = path.split(".")
    if rest == ["name"]:
        return block
    title = " ".join(part for part in rest if part not in _INSIDE).replace("_", " ")
    return _START if title == KEY.replace("_", " ") else title


def _key(value: Any) -> str:
    """Return what two values have in common exactly where they are the same."""
    return repr(value)
