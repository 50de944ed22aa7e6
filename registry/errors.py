"""The errors of the registry and the did-you-mean hint; their text is part of the interface."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user asked for cannot be done; the text says what, where and what to do.

    The command line prints it without a traceback and exits with 2.
    """


class ComponentError(UserError):
    """A component cannot be found, described or built."""


class UnknownComponent(ComponentError):
    """There is no component of this name, or it is of another kind."""


class BadParameters(ComponentError):
    """The parameters do not fit the component's constructor."""


class BrokenComponent(ComponentError):
    """The component's own file or plug-in is at fault."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"Did you mean 'x'? "`` (with the space) for the closest name, or ``""``."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}? " if close else ""


def article(noun: str) -> str:
    """Return `noun` with its indefinite article: "an encoder", "a metric"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
