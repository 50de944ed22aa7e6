"""Check parameters against a component's static signature: names, presence, types."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from registry.errors import did_you_mean
from registry.spec import ComponentSpec, Parameter


class ParameterProblem(str):
    """One sentence about a parameter; ``parameter`` is its name."""

    parameter: str

    def __new__(cls, text: str, parameter: str) -> ParameterProblem:
        """Make the sentence and remember which parameter it is about."""
        problem = super().__new__(cls, text)
        problem.parameter = parameter
        return problem


def parameter_problems(
    spec: ComponentSpec,
    params: Mapping[str, Any],
    *,
    needed: Mapping[str, str],
    given: Sequence[str] = (),
    check_types: bool = True,
) -> list[ParameterProblem]:
    """Return what is wrong with `params`.

    Parameters
    ----------
    spec : ComponentSpec
    params : mapping
    needed : mapping
        Words that explain parameters which the component itself does not.
    given : sequence of str
        Parameters that the caller will supply.
    check_types : bool
        Also compare JSON values with the annotations.
    """
    who = f"{spec.kind} {spec.name!r}"
    own = [p.name for p in spec.parameters if p.name not in given]
    problems = []
    for name, value in params.items():
        parameter = spec.parameter(name)
        if name in given:
            text = f"{who}: {name!r} is supplied by the engine; leave it out"
        elif parameter is None:
            takes = f"It takes: {', '.join(own)}" if own else "It takes none"
            text = f"{who} has no parameter {name!r}. {did_you_mean(name, own)}{takes}"
        elif check_types and not fits(value, parameter.annotation):
            text = f"{who} parameter {name!r} {_misfit(value, parameter.annotation)}"
        else:
            continue
        problems.append(ParameterProblem(text, name))
    for parameter in spec.parameters:
        if parameter.required and parameter.name not in params and parameter.name not in given:
            reason = _reason(parameter, needed)
            problems.append(
                ParameterProblem(f"{who} needs {parameter.name!r}{reason}", parameter.name)
            )
    return problems


def _misfit(value: Any, annotation: str) -> str:
    """Say what would fit; where words are asked for, list them and suggest the nearest."""
    members = _members(ast.parse(annotation, mode="eval").body)
    words = [word for member in members for word in _words(member)]
    if words and isinstance(value, str):
        others = [ast.unparse(member) for member in members if not _words(member)]
        others = [f"a {o.partition('[')[0].lower()}" for o in others if o != "None"]
        takes = ", ".join([*words, *others])
        return f"is {value!r}. {did_you_mean(value, words)}It takes: {takes}"
    return f"must be {annotation}, got {value!r} ({type(value).__name__})"


def _members(node: ast.expr) -> list[ast.expr]:
    """Return the members of ``A | B``; of anything else itself."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _members(node.left) + _members(node.right)
    return [node]


def _words(node: ast.expr) -> list[str]:
    """Return the texts that a ``Literal`` allows; of anything else none."""
    if not (isinstance(node, ast.Subscript) and _name(node.value) == "Literal"):
        return []
    options = [ast.literal_eval(e) for e in _elements(node.slice)]
    return [option for option in options if isinstance(option, str)]


def _reason(parameter: Parameter, needed: Mapping[str, str]) -> str:
    words = needed.get(parameter.name) or parameter.help
    if len(words) > 1 and words[0].isupper() and words[1].islower():
        words = words[0].lower() + words[1:]
    return f" ({words})" if words else ""


def fits(value: Any, annotation: str) -> bool:
    """Say whether a JSON value fits an annotation; what cannot be judged fits.

    An int fits ``float``; a bool fits neither ``int`` nor ``float``; a list fits every sequence.
    """
    return True if not annotation else _fits(value, ast.parse(annotation, mode="eval").body)


def _fits(value: Any, node: ast.expr) -> bool:
    match node:
        case ast.BinOp(op=ast.BitOr()):
            return _fits(value, node.left) or _fits(value, node.right)
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str() as quoted):
            return fits(value, quoted)
        case ast.Subscript():
            return _fits_generic(value, _name(node.value), _elements(node.slice))
        case ast.Name() | ast.Attribute():
            return _fits_name(value, _name(node))
    return True


def _fits_name(value: Any, name: str) -> bool:
    match name:
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "str":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "list" | "tuple" | "List" | "Tuple" | "Sequence" | "Iterable" | "Collection":
            return isinstance(value, list | tuple)
        case "dict" | "Dict" | "Mapping":
            return isinstance(value, dict)
    return True


def _fits_generic(value: Any, name: str, elements: list[ast.expr]) -> bool:
    match name:
        case "Literal":
            options = [ast.literal_eval(e) for e in elements]
            return any(value == o and type(value) is type(o) for o in options)
        case "Optional":
            return value is None or _fits(value, elements[0])
        case "Union":
            return any(_fits(value, e) for e in elements)
        case "tuple" | "Tuple":
            if not isinstance(value, list | tuple):
                return False
            if isinstance(elements[-1], ast.Constant) and elements[-1].value is Ellipsis:
                return all(_fits(v, elements[0]) for v in value)
            return len(value) == len(elements) and all(map(_fits, value, elements))
        case "list" | "List" | "Sequence" | "Iterable" | "Collection":
            return isinstance(value, list | tuple) and all(_fits(v, elements[0]) for v in value)
        case "dict" | "Dict" | "Mapping":
            return isinstance(value, dict) and all(
                _fits(k, elements[0]) and _fits(v, elements[1]) for k, v in value.items()
            )
    return True


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _elements(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]
