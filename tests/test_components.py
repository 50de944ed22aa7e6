"""Every component of every kind: the promises that do not depend on what it does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from registry import component
from zoo.checks import all_kinds
from zoo.checks._case import Case
from zoo.registries import REGISTRIES


def run(check: Callable[[Case], None], kind: str, name: str) -> None:
    check(Case.of(kind, name))


PROMISES = [
    pytest.param(partial(run, check, kind, name), id=f"{kind}-{name}-{check.__name__}")
    for kind, registry in REGISTRIES.items()
    for name in registry.names()
    for check in all_kinds.CHECKS
]


@pytest.mark.parametrize("promise", PROMISES)
def test_promise(promise: Callable[[], None]):
    promise()


def test_no_kind_is_empty():
    empty = [kind for kind, registry in REGISTRIES.items() if not registry.names()]
    assert not empty, empty
    assert len(PROMISES) >= 5 * 15


def test_the_battery_finds_what_is_wrong():
    @component("encoder")
    class Sloppy:
        """No."""

        def __init__(self, n_chans, **anything):
            self.n_chans, self.anything = n_chans, anything

    case = Case.of("encoder", Sloppy)
    broken = []
    for check in all_kinds.CHECKS:
        try:
            check(case)
        except AssertionError:
            broken.append(check.__name__)
    assert broken == ["says_what_it_is", "constructor_is_keyword_only", "parameters_are_explained"]
