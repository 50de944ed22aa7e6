"""Strict YAML: 1.2 scalars, no duplicate keys, tags, anchors or merge keys; every value its line.

PyYAML's own safe loading follows YAML 1.1: it reads ``1e-4`` as text, ``012`` as ten, ``no`` as
false and ``1:30`` as ninety, and keeps the last of two equal keys. Each of these has silently
changed somebody's experiment.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from zoo.recipe.errors import Problems, Where
from zoo.recipe.nodes import Node, Scalar

_NULL, _BOOL = "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
#: No recipe nests deeper; composing recurses, and text may be anything.
_DEEPEST = 40

#: Plain scalars that are not text (YAML 1.2 core schema), and how they may begin.
_SCALARS = (
    (_NULL, r"(?:null|Null|NULL|~|)", ["n", "N", "~", ""]),
    (_BOOL, r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    (_INT, r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)", list("-+0123456789")),
    (
        _FLOAT,
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        list("-+.0123456789"),
    ),
)


class _Loader(yaml.SafeLoader):
    """Composes nodes; reports what a recipe may not contain and goes on."""

    def __init__(self, text: str, where: Where, problems: Problems) -> None:
        super().__init__(text)
        self.where = where
        self.problems = problems
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if self.depth > _DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"nested deeper than {_DEEPEST} levels", problem_mark=event.start_mark
            )
        if isinstance(event, yaml.AliasEvent):
            self.report(event.start_mark, f"alias *{event.anchor}: write the value out again")
            self.get_event()  # type: ignore[no-untyped-call]
            mark: Any = event.start_mark
            return yaml.ScalarNode(_NULL, "", mark, mark)
        if event.anchor is not None:
            self.report(event.start_mark, f"anchor &{event.anchor}: anchors are not allowed")
            event.anchor = None
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.report(event.start_mark, f"tag {tag}: tags are not allowed; quote text")
            event.tag = None
            event.implicit = (True, True) if isinstance(event, yaml.ScalarEvent) else True
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def report(self, mark: Any, message: str) -> None:
        self.problems.add(self.where.child("", mark.line + 1), message)


class _Dumper(yaml.SafeDumper):
    """Writes text that both YAML 1.1 and YAML 1.2 readers take for the same values."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Loader.yaml_implicit_resolvers = {}  # the rules of YAML 1.1
for _tag, _pattern, _first in _SCALARS:
    _regexp = re.compile(f"^{_pattern}$")
    _Loader.add_implicit_resolver(_tag, _regexp, _first)
    _Dumper.add_implicit_resolver(_tag, _regexp, _first)


def parse(text: str, source: str, problems: Problems) -> Node | None:
    """Read one YAML document.

    Parameters
    ----------
    text : str
    source : str
        What messages call it: the file, or "--set encoder.train.lr=x".
    problems : Problems
        Receives everything that is wrong.

    Returns
    -------
    Node or None
        None where the text cannot be parsed, or is empty.
    """
    where = Where(source)
    try:
        loader = _Loader(text, where, problems)
        root = loader.get_single_node()
        loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        at = where if mark is None else where.child("", mark.line + 1)
        problems.add(at, f"not valid YAML: {what}")
        return None
    except yaml.YAMLError as error:
        problems.add(where, f"not valid YAML: {' '.join(str(error).split())}")
        return None
    if root is None:
        problems.add(where, "is empty")
        return None
    return _convert(root, where.child("", _line(root)), problems)


def dump(data: dict[str, Any]) -> str:
    """Write plain data so that `parse` reads the same back (floats such as 1e-05 included)."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96, default_flow_style=None
    )
    return text


def _convert(node: yaml.Node, where: Where, problems: Problems) -> Node:
    if isinstance(node, yaml.MappingNode):
        return Node(_entries(node, where, problems), where)
    if isinstance(node, yaml.SequenceNode):
        items = enumerate(node.value)
        return Node([_convert(n, where.child(i, _line(n)), problems) for i, n in items], where)
    try:
        return Node(_scalar(node), where)
    except ValueError as error:
        problems.unreadable(where, str(error))
        return Node(None, where)


def _entries(node: yaml.MappingNode, where: Where, problems: Problems) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for key_node, value_node in node.value:
        line = _line(key_node)
        if key_node.tag != "tag:yaml.org,2002:str":
            text = key_node.value if isinstance(key_node, yaml.ScalarNode) else "this"
            problems.add(where.child("", line), f"keys must be text: quote {text!r}")
            continue
        key = str(key_node.value)
        place = where.child(key, line)
        if key == "<<":
            problems.add(place, "merge keys are not allowed; write the entries out")
        elif key in entries:
            problems.add(place, f"duplicate key (first on line {entries[key].where.line})")
        else:
            entries[key] = _convert(value_node, place, problems)
    return entries


def _scalar(node: yaml.Node) -> Scalar:
    text = str(node.value)
    match node.tag:
        case "tag:yaml.org,2002:null":
            return None
        case "tag:yaml.org,2002:bool":
            return text.lower() == "true"
        case "tag:yaml.org,2002:int":
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        case "tag:yaml.org,2002:float":
            number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            if not math.isfinite(number):
                raise ValueError(f"{text} is not a finite number")
            return number
    return text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
