"""JSON parameters against static signatures: names, presence, types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest

from registry import Registry, component
from registry.parameters import fits
from registry.static import parameter_help, prose


@pytest.fixture
def encoders() -> Registry:
    @component("encoder")
    class Net:
        """A net.

        Parameters
        ----------
        rate : float
            Dropout rate. Between 0 and 1.
        """

        def __init__(
            self, *, n_chans: int, rate: float, depth: int = 2, kind: str | None = None
        ) -> None: ...

    registry = Registry(
        "encoder", "no_such_package", "no.such", supplied={"n_chans": "number of EEG channels"}
    )
    registry.add("net", Net)
    return registry


def test_nothing_wrong(encoders: Registry) -> None:
    assert encoders.check_parameters("net", {"rate": 1}) == []
    assert encoders.check_parameters("net", {"rate": 0.5, "depth": 3, "kind": "a"}) == []


def test_all_problems_with_their_parameters(encoders: Registry) -> None:
    found = encoders.check_parameters("net", {"n_chans": 3, "dept": 1, "depth": 2.5, "kind": True})
    assert [(p.parameter, str(p)) for p in found] == [
        ("n_chans", "encoder 'net': 'n_chans' is supplied by the engine; leave it out"),
        (
            "dept",
            "encoder 'net' has no parameter 'dept'. Did you mean 'depth'? "
            "It takes: rate, depth, kind",
        ),
        ("depth", "encoder 'net' parameter 'depth' must be int, got 2.5 (float)"),
        ("kind", "encoder 'net' parameter 'kind' must be str | None, got True (bool)"),
        ("rate", "encoder 'net' needs 'rate' (dropout rate)"),
    ]


def test_another_choice_of_what_is_given(encoders: Registry) -> None:
    assert encoders.check_parameters("net", {"n_chans": 3, "rate": 0.1}, given=()) == []
    assert encoders.check_parameters("net", {}, given=("rate", "n_chans")) == []


def test_a_component_without_parameters_says_so() -> None:
    class Plain: ...

    registry = Registry("metric", "no_such_package", "no.such")
    registry.add("plain", Plain)
    assert registry.check_parameters("plain", {"k": 1}) == [
        "metric 'plain' has no parameter 'k'. It takes none"
    ]


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [0, -3], [True, 1.0, "1", None]),
        ("float", [0, 1.5, -2], [False, "1.5", None, [1.0]]),
        ("str", ["", "x"], [1, None]),
        ("bool", [True], [1, "true", None]),
        ("int | None", [None, 2], [2.5, "x"]),
        ("Optional[float]", [None, 2], ["x"]),
        ("Union[int, str]", [1, "a"], [1.5, None]),
        ("Literal['a', 'b', 1]", ["a", 1], ["c", True, None]),
        ("typing.Literal['a'] | None", ["a", None], ["b"]),
        ("Sequence[float]", [[], [1, 2.5], (1,)], [1, ["x"], "ab"]),
        ("collections.abc.Sequence[str] | None", [["a"], None], ["a", [1]]),
        ("list", [[1, "a"]], [{}, "a"]),
        ("tuple[float, float]", [[1, 2]], [[1], [1, 2, 3], ["a", 1]]),
        ("tuple[int, ...]", [[], [1, 2, 3]], [[1.5]]),
        ("dict[str, int]", [{}, {"a": 1}], [{"a": 1.5}, {1: 1}, []]),
        ("Mapping", [{"a": None}], [[]]),
        ("'int'", [1], ["a"]),
        ("PipelineInfo", [1, "whatever"], []),
        ("Any", [1, None], []),
        ("", [1, None], []),
    ],
)
def test_fits(annotation: str, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not fits(value, annotation)] == []
    assert [value for value in bad if fits(value, annotation)] == []


def test_a_mistyped_word_gets_a_suggestion() -> None:
    class Part:
        def __init__(
            self,
            *,
            opens: Literal["none", "attn2"] = "none",
            split: Literal["single", "all"] | Mapping[str, Any] | None = "single",
        ) -> None: ...

    registry = Registry("conditioner", "no_such_package", "no.such")
    registry.add("part", Part)
    assert registry.check_parameters("part", {"opens": "atn2", "split": "singel"}) == [
        "conditioner 'part' parameter 'opens' is 'atn2'. Did you mean 'attn2'? "
        "It takes: none, attn2",
        "conditioner 'part' parameter 'split' is 'singel'. Did you mean 'single'? "
        "It takes: single, all, a mapping",
    ]
    (sentence,) = registry.check_parameters("part", {"opens": 3})
    assert sentence.endswith("must be Literal['none', 'attn2'], got 3 (int)")


def test_numpydoc_is_read() -> None:
    doc = """Summary.

Prose: with a colon.

Parameters
----------
a, b : int
    Both of them. And more.
*rest : str
    Everything
    else; always.
silent : int

Returns
-------
c : int
    Not a parameter.
"""
    assert parameter_help(doc) == {
        "a": "Both of them",
        "b": "Both of them",
        "rest": "Everything else",
    }
    assert prose(doc) == "Summary.\n\nProse: with a colon."
    assert parameter_help("Parameters") == {}
    assert parameter_help("") == {}
