"""What is known of a component without importing it, and the mark that makes a class one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T", bound=type)


class _Missing(Enum):
    """The type of `MISSING` (an enum, so that it survives copying and compares by identity)."""

    MISSING = "required"

    def __repr__(self) -> str:
        return "MISSING"


#: The default of a parameter that must be given.
MISSING: Final = _Missing.MISSING


@dataclass(frozen=True)
class Parameter:
    """One keyword of a component's constructor.

    Parameters
    ----------
    name : str
    annotation : str
        As written in the source; empty where there is none.
    default : object
        The literal default, or `MISSING`.
    help : str
        First sentence about it in the class docstring's Parameters section.
    """

    name: str
    annotation: str = ""
    default: Any = MISSING
    help: str = ""

    @property
    def required(self) -> bool:
        """True where the constructor has no default."""
        return self.default is MISSING


@dataclass(frozen=True)
class ComponentSpec:
    """A component as its source text describes it.

    Parameters
    ----------
    kind, name : str
        For example "encoder", "eegnet".
    summary : str
        First docstring line of the file.
    class_name : str
    module : str
        Dotted module name, for example "zoo.encoders.eegnet".
    path : Path
        The source file.
    line : int
        Where the class begins, decorators included.
    meta : dict
        Every keyword of the mark.
    parameters : tuple of Parameter
        The constructor's keywords, in order.
    doc : str
        The file's whole docstring.
    notes : str
        The class docstring up to its first section.
    """

    kind: str
    name: str
    summary: str
    class_name: str
    module: str
    path: Path
    line: int
    meta: dict[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    doc: str = ""
    notes: str = ""

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter called `name`, or None."""
        return next((p for p in self.parameters if p.name == name), None)

    def value(self, params: Mapping[str, Any], name: str) -> Any:
        """Return a parameter as the component will get it; None where it has no such parameter."""
        parameter = self.parameter(name)
        return None if parameter is None else params.get(name, parameter.default)


def component(kind: str, **meta: Any) -> Callable[[T], T]:
    """Mark a class as the component of its file.

    The mark only attaches ``__component__``; the folder lists, this does not. Every argument has
    to be a literal, because listings read it from the source text without importing the file.

    Parameters
    ----------
    kind : str
        "encoder", "objective", "conditioner", "pipeline", "dataset", "metric" or "analysis".
    **meta : literal
        Facts about the component: ``paper=``, ``license=``, ``tiny=`` ...

    Examples
    --------
    >>> @component("encoder", paper="10.1088/1741-2552/aace8c", tiny={"embed_dim": 8})
    ... class EEGNet: ...
    """

    def mark(cls: T) -> T:
        cls.__component__ = (kind, meta)  # type: ignore[attr-defined]
        return cls

    return mark
