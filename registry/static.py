"""Read a component's spec from its source text, without importing it."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from registry.errors import BrokenComponent, article
from registry.spec import MISSING, ComponentSpec, Parameter


def read_spec(
    kind: str, name: str, *, module: str, path: Path, shown: str, class_name: str | None = None
) -> ComponentSpec:
    """Return the spec of the one component of `kind` that the file `path` marks.

    Parameters
    ----------
    kind, name, module : str
        What the file is expected to hold and how it will be imported.
    path : Path
        The source file.
    shown : str
        How error messages call the file.
    class_name : str, optional
        Choose this class where an entry point names it.

    Raises
    ------
    BrokenComponent
        The file does not parse, marks no or several components, or uses something other than
        literals where only literals can be read.
    """
    tree = _parse(kind, name, path, shown)
    marked = [(cls, mark) for cls in _classes(tree) if (mark := _mark(cls)) is not None]
    if class_name is not None:
        marked = [(cls, mark) for cls, mark in marked if cls.name == class_name]
    ours = [(cls, mark) for cls, mark in marked if _kind(mark, shown) == kind]
    if len(ours) != 1:
        raise BrokenComponent(_wrong_count(kind, shown, [c for c, _ in ours], marked))
    cls, mark = ours[0]
    doc = ast.get_docstring(tree) or ""
    return ComponentSpec(
        kind=kind,
        name=name,
        summary=doc.partition("\n")[0].strip(),
        class_name=cls.name,
        module=module,
        path=path,
        line=min(d.lineno for d in cls.decorator_list),
        meta=_meta(mark, shown),
        parameters=_parameters(cls, _constants(tree), shown),
        doc=doc,
        notes=prose(ast.get_docstring(cls) or ""),
    )


def marks(path: Path, shown: str) -> list[tuple[str, str]]:
    """Return ``(kind, class name)`` of every marked class in a file."""
    tree = _parse("plug-in", path.stem, path, shown)
    found = [(cls, mark) for cls in _classes(tree) if (mark := _mark(cls)) is not None]
    return [(_kind(mark, shown), cls.name) for cls, mark in found]


def parameter_help(docstring: str) -> dict[str, str]:
    """Return the first sentence about each parameter in a numpydoc Parameters section."""
    lines = docstring.splitlines()
    helps: dict[str, str] = {}
    at = next((i for i, line in enumerate(lines) if line.strip() == "Parameters"), len(lines))
    names: list[str] = []
    text: list[str] = []
    for i in range(at + 2, len(lines)):
        line, following = lines[i], lines[i + 1] if i + 1 < len(lines) else ""
        if re.fullmatch(r"\s*-{3,}\s*", following):
            break  # the next section's title
        if line and not line[0].isspace():
            helps.update(dict.fromkeys(names, _first_sentence(text)))
            names = [n.strip().lstrip("*") for n in line.partition(":")[0].split(",")]
            text = []
        else:
            text.append(line.strip())
    helps.update(dict.fromkeys(names, _first_sentence(text)))
    return {name: text for name, text in helps.items() if text}


def prose(docstring: str) -> str:
    """Return a numpydoc docstring up to its first section."""
    return re.split(r"^.*\n\s*-{3,}\s*$", docstring, maxsplit=1, flags=re.MULTILINE)[0].strip()


def _first_sentence(lines: list[str]) -> str:
    paragraph = " ".join(lines).strip()
    return re.split(r"(?<=[.;])\s", paragraph, maxsplit=1)[0].rstrip(".;").strip()


def _parse(kind: str, name: str, path: Path, shown: str) -> ast.Module:
    try:
        stat = path.stat()
        return _tree(path, stat.st_mtime_ns, stat.st_size)
    except (SyntaxError, UnicodeDecodeError, OSError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise BrokenComponent(
            f"{kind} {name!r} ({shown}{line}) failed to import: {reason}"
        ) from error


@lru_cache(maxsize=512)
def _tree(path: Path, _mtime_ns: int, _size: int) -> ast.Module:
    """Parse a file; the cache forgets it when the file changes."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def _mark(cls: ast.ClassDef) -> ast.Call | None:
    """Return the class's ``@component(...)`` call, or None."""
    for decorator in cls.decorator_list:
        if isinstance(decorator, ast.Call):
            called = decorator.func
            if getattr(called, "id", getattr(called, "attr", None)) == "component":
                return decorator
    return None


def _kind(mark: ast.Call, shown: str) -> str:
    where = f"{shown}:{mark.lineno}"
    if len(mark.args) != 1:
        raise BrokenComponent(f'{where} @component takes the kind first: @component("encoder", …)')
    return str(_literal(mark.args[0], f"{where} the kind given to @component"))


def _meta(mark: ast.Call, shown: str) -> dict[str, Any]:
    meta = {}
    for keyword in mark.keywords:
        where = f"{shown}:{keyword.value.lineno}"
        if keyword.arg is None:
            raise BrokenComponent(f"{where} @component takes no **keywords; write them out")
        meta[keyword.arg] = _literal(keyword.value, f"{where} @component({keyword.arg}=…)")
    return meta


def _literal(node: ast.expr, what: str) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise BrokenComponent(f"{what} must be a literal, got {ast.unparse(node)}") from None


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Return the module-level names that are bound to literals."""
    values: dict[str, Any] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign):
                try:
                    values[target.id] = ast.literal_eval(node.value)  # type: ignore[arg-type]
                except ValueError:
                    values.pop(target.id, None)  # computed: cannot be read from the text
    return values


def _parameters(cls: ast.ClassDef, constants: dict[str, Any], shown: str) -> tuple[Parameter, ...]:
    """Return the keywords of the class's own constructor; none where it has no constructor."""
    functions = [n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    if not functions:
        return ()
    init = functions[-1]
    args = init.args
    where = f"{shown}:{init.lineno} {cls.name}"
    loose = [a.arg for a in [*args.posonlyargs, *args.args][1:]]
    loose += [f"*{args.vararg.arg}"] if args.vararg else []
    if loose:
        raise BrokenComponent(
            f"{where} must take keyword-only parameters, not {', '.join(loose)}; "
            "write def __init__(self, *, …)"
        )
    if args.kwarg:
        raise BrokenComponent(f"{where} must name its parameters instead of **{args.kwarg.arg}")
    helps = parameter_help(ast.get_docstring(init) or "")
    helps |= parameter_help(ast.get_docstring(cls) or "")
    return tuple(
        Parameter(
            name=arg.arg,
            annotation="" if arg.annotation is None else ast.unparse(arg.annotation),
            default=MISSING if node is None else _default(node, constants, f"{where}({arg.arg}=…)"),
            help=helps.get(arg.arg, ""),
        )
        for arg, node in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    )


def _default(node: ast.expr, constants: dict[str, Any], where: str) -> Any:
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    return _literal(node, f"{where} default (or a constant of the same file)")


def _wrong_count(
    kind: str, shown: str, ours: list[ast.ClassDef], marked: list[tuple[ast.ClassDef, ast.Call]]
) -> str:
    text = f"{shown} must mark exactly one {kind} with @component, found {len(ours)}"
    if ours:
        return f"{text} ({', '.join(cls.name for cls in ours)})"
    if marked:
        others = [f"{cls.name} is {article(_kind(mark, shown))}" for cls, mark in marked]
        return f"{text} ({', '.join(others)})"
    return text
