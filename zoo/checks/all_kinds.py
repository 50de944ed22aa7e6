"""What every component promises, whatever its kind: an honest mark and a checkable constructor."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from registry.runtime import spec_of_class
from zoo.checks._case import Case
from zoo.registries import REGISTRIES


def says_what_it_is(case: Case) -> None:
    """The file begins with one sentence about the component, and the mark names a licence."""
    summary = case.spec.summary
    assert 10 <= len(summary) <= 120, f"first docstring line: {summary!r}"
    assert case.spec.meta.get("license"), "@component(..., license=...) is missing"


def source_agrees_with_class(case: Case) -> None:
    """What is read from the source text equals what the imported class says of itself."""
    if not case.registered:
        return
    runtime = spec_of_class(case.kind, case.name, case.cls)
    assert case.spec.meta == runtime.meta, (case.spec.meta, runtime.meta)
    static = [(p.name, p.default) for p in case.spec.parameters]
    assert static == [(p.name, p.default) for p in runtime.parameters], static


def constructor_is_keyword_only(case: Case) -> None:
    """Parameters have names and types, so that recipes can be checked: no *args, no **kwargs."""
    for parameter in inspect.signature(case.cls).parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY, f"{parameter.name} is not keyword-only"
        assert parameter.annotation is not parameter.empty, f"{parameter.name} has no annotation"


def parameters_are_explained(case: Case) -> None:
    """The class docstring says what each parameter means."""
    silent = [p.name for p in case.spec.parameters if not p.help]
    assert not silent, f"not in the docstring's Parameters section: {', '.join(silent)}"


def tiny_fits_the_constructor(case: Case) -> None:
    """The small parameters of the mark are parameters of the component."""
    if case.registered:
        problems = REGISTRIES[case.kind].check_parameters(case.name, case.params)
        assert not problems, problems


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Case], None], ...] = (
    says_what_it_is,
    source_agrees_with_class,
    constructor_is_keyword_only,
    parameters_are_explained,
    tiny_fits_the_constructor,
)
