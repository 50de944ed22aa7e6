"""What is wrong with a recipe: every problem with its place, collected and raised together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from registry.errors import UserError


@dataclass(frozen=True)
class Where:
    """A place in a recipe, as messages name it.

    Parameters
    ----------
    source : str
        The file, "--set encoder.train.lr=x", or whose defaults it is.
    line : int or None
        Line of the file, from 1.
    path : str
        Dotted path as it is written there: "pocket.data.encoder.train.epochs".
    """

    source: str
    line: int | None = None
    path: str = ""

    def __str__(self) -> str:
        unnumbered = self.line is None or self.is_argument  # an argument has one line
        place = self.source if unnumbered else f"{self.source}:{self.line}"
        return f"{place} {self.path}" if self.path else place

    @property
    def is_argument(self) -> bool:
        """True for a place on the command line."""
        return self.source.startswith("--")

    def child(self, key: str | int, line: int | None = None) -> Where:
        """Return the place of an entry: a key of a mapping, or the number of a list item."""
        step = f"[{key}]" if isinstance(key, int) else f".{key}" if self.path else key
        return replace(self, path=self.path + step, line=line or self.line)


class RecipeError(UserError):
    """A recipe cannot be used. The text is one line per problem, in the order of the file.

    Parameters
    ----------
    problems : str or iterable of str
        Also kept as the attribute ``problems``.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class Problems:
    """Collects problems while checking goes on; the same sentence at the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Where, str], None] = {}
        self._unreadable: set[Where] = set()

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, where: Where, message: str) -> None:
        """Note one problem."""
        if where not in self._unreadable:
            self._found[where, message.strip()] = None

    def unreadable(self, where: Where, message: str) -> None:
        """Note that a value cannot be read: whatever else is said of its place is an echo."""
        self.add(where, message)
        self._unreadable.add(where)

    def at(self, where: Where) -> bool:
        """Say whether something is wrong at a place already."""
        return any(place == where for place, _ in self._found)

    def below(self, where: Where) -> list[tuple[Where, str]]:
        """Return the problems at a place and at everything written inside it."""
        return [
            (place, message)
            for place, message in self._found
            if place.source == where.source
            and (place == where or place.path.startswith(f"{where.path}." if where.path else ""))
        ]

    def raise_if_any(self) -> None:
        """Raise `RecipeError` with everything found so far.

        Raises
        ------
        RecipeError
        """
        if self._found:
            ordered = sorted(self._found, key=lambda f: (f[0].is_argument, f[0].line or 0))
            raise RecipeError(dict.fromkeys(f"{where}: {message}" for where, message in ordered))
