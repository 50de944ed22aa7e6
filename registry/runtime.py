"""Read a component's spec from the class itself (classes added by hand, and to check `static`)."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from registry.errors import ComponentError, article
from registry.spec import MISSING, ComponentSpec, Parameter
from registry.static import parameter_help, prose


def spec_of_class(kind: str, name: str, cls: type) -> ComponentSpec:
    """Return the spec of a class; it may lack the mark (then it carries no facts).

    Raises
    ------
    ComponentError
        The class is marked as another kind.
    """
    marked_kind, meta = getattr(cls, "__component__", (kind, {}))
    if marked_kind != kind:
        raise ComponentError(f"{cls.__name__} is {article(marked_kind)}, not {article(kind)}")
    doc = inspect.getdoc(sys.modules.get(cls.__module__)) or inspect.getdoc(cls) or ""
    path, line = _place(cls)
    return ComponentSpec(
        kind=kind,
        name=name,
        summary=doc.partition("\n")[0].strip(),
        class_name=cls.__name__,
        module=cls.__module__,
        path=path,
        line=line,
        meta=dict(meta),
        parameters=_parameters(cls),
        doc=doc,
        notes=prose(inspect.getdoc(cls) or ""),
    )


def _parameters(cls: type) -> tuple[Parameter, ...]:
    if "__init__" not in vars(cls):
        return ()
    init = vars(cls)["__init__"]
    helps = parameter_help(inspect.getdoc(init) or "") | parameter_help(inspect.getdoc(cls) or "")
    return tuple(
        Parameter(
            name=p.name,
            annotation="" if p.annotation is p.empty else _text(p.annotation),
            default=MISSING if p.default is p.empty else p.default,
            help=helps.get(p.name, ""),
        )
        for p in inspect.signature(cls).parameters.values()
    )


def _text(annotation: object) -> str:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("collections.abc.", "")


def _place(cls: type) -> tuple[Path, int]:
    try:
        return Path(inspect.getsourcefile(cls) or "?"), inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):  # typed into an interpreter
        return Path("<interactive>"), 0
