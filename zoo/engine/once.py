"""Questions about a cell that are answered once, since many nodes ask the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from zoo.recipe.cells import Cell

T = TypeVar("T")

#: (method, id of the cell, ...) -> the answer beside its cell.
Answers = dict[tuple[Any, ...], tuple[Any, Cell]]


class Answering(Protocol):
    """What keeps answers: its methods may be `once`."""

    answers: Answers


def once(method: Callable[..., T]) -> Callable[..., T]:
    """Let a method that is asked about a cell answer each question once."""
    name = method.__name__

    @wraps(method)
    def answer(self: Answering, cell: Cell, *rest: str | int | None) -> T:
        question = (name, id(cell), *rest)
        found = self.answers.get(question)
        if found is None:
            # The cell is kept beside its answer, so that no other cell can get its id.
            found = self.answers[question] = (method(self, cell, *rest), cell)
        return cast(T, found[0])

    return answer
