"""What a check is given: one component, its spec, and what to build and feed it with."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from registry.runtime import spec_of_class
from registry.spec import ComponentSpec
from zoo.registries import REGISTRIES


@dataclass(frozen=True)
class Case:
    """A component under test.

    Parameters
    ----------
    kind, name : str
    spec : ComponentSpec
        From the source text where the component has a name, else from the class.
    cls : type
    params : dict
        Its own parameters for building it small; by default the mark's ``tiny``.
    root : Path or None
        For a data set that needs files: a folder of them.
    """

    kind: str
    name: str
    spec: ComponentSpec
    cls: type
    params: dict[str, Any]
    root: Path | None = None

    @classmethod
    def of(
        cls,
        kind: str,
        component: str | type,
        params: dict[str, Any] | None = None,
        root: Path | None = None,
    ) -> Case:
        """Return the case of a registered name, or of a class that nobody registered."""
        registry = REGISTRIES[kind]
        if isinstance(component, str):
            name, spec, found = component, registry.spec(component), registry.get(component)
        else:
            name = component.__name__
            spec, found = spec_of_class(kind, name, component), component
        tiny = dict(spec.meta.get("tiny", {})) if params is None else params
        return cls(kind, name, spec, found, tiny, root)

    @property
    def registered(self) -> bool:
        """True where the component can be looked up by its name."""
        return self.name in REGISTRIES[self.kind].names()


@contextmanager
def no_network() -> Iterator[None]:
    """Make every attempt to open a connection fail."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a component must not use the network when it is built or run")

    with (
        mock.patch.object(socket.socket, "connect", refuse),
        mock.patch.object(socket, "create_connection", refuse),
        mock.patch.object(socket, "getaddrinfo", refuse),
    ):
        yield
