"""Strict YAML: what plain values mean, what is refused and where, and writing it back."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.recipe.errors import Problems, RecipeError
from zoo.recipe.nodes import plain
from zoo.recipe.yaml_strict import dump, parse


def read(text: str) -> Any:
    problems = Problems()
    node = parse(text, "f.yaml", problems)
    problems.raise_if_any()
    assert node is not None
    return plain(node)


def refused(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read(text)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-2", -2),
        ("+2", 2),
        ("012", 12),
        ("0o12", 10),
        ("0x1F", 31),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-01-02", "2026-01-02"),
        ("=", "="),
        ("'1e-4'", "1e-4"),
        ('"012"', "012"),
        ("'null'", "null"),
    ],
)
def test_plain_values_follow_yaml_1_2(written: str, meant: Any) -> None:
    value = read(f"key: {written}")["key"]
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "f.yaml:2 a: duplicate key (first on line 1)"),
        ("a: {b: 1,\n  b: 2}", "f.yaml:2 a.b: duplicate key (first on line 1)"),
        ("a: &x 1", "f.yaml:1: anchor &x: anchors are not allowed"),
        ("a: 1\nb: *x", "f.yaml:2: alias *x: write the value out again"),
        ("a: !!str 5", "f.yaml:1: tag !!str: tags are not allowed; quote text"),
        ("a: !python/name:os.system x", "f.yaml:1: tag !python/name:os.system: "),
        ("a:\n  <<: {b: 1}", "f.yaml:2 a.<<: merge keys are not allowed; write the entries out"),
        ("a: 1\n2: b", "f.yaml:2: keys must be text: quote '2'"),
        ("true: b", "f.yaml:1: keys must be text: quote 'true'"),
        ("? [a]\n: b", "f.yaml:1: keys must be text: quote 'this'"),
        ("a: .inf", "f.yaml:1 a: .inf is not a finite number"),
        ("a: [1, .nan]", "f.yaml:1 a[1]: .nan is not a finite number"),
        ("a: 1e999", "f.yaml:1 a: 1e999 is not a finite number"),
        ("a: [", "f.yaml:1: not valid YAML: while parsing a flow node, "),
        ("a: 1\n---\nb: 2", "f.yaml:2: not valid YAML: expected a single document"),
        ("a:\n\t- b", "f.yaml:2: not valid YAML: while scanning for the next token, "),
        ("a: \x00", "f.yaml: not valid YAML: unacceptable character"),
        ("", "f.yaml: is empty"),
        ("# only words", "f.yaml: is empty"),
    ],
)
def test_refused_with_its_line(text: str, message: str) -> None:
    (found,) = refused(text)
    assert found.startswith(message)


def test_every_problem_of_a_file_is_reported() -> None:
    assert refused("a: &x 1\nb: *x\nc: !t 1\nd: 1\nd: 2") == [
        "f.yaml:1: anchor &x: anchors are not allowed",
        "f.yaml:2: alias *x: write the value out again",
        "f.yaml:3: tag !t: tags are not allowed; quote text",
        "f.yaml:5 d: duplicate key (first on line 4)",
    ]


def test_values_know_their_line_and_path() -> None:
    node = parse("a:\n  b:\n    - 1\n    - {c: x}\n", "f.yaml", Problems())
    assert node is not None
    inner = node.at(("a", "b", 1, "c"))
    assert inner is not None
    assert str(inner.where) == "f.yaml:4 a.b[1].c"


def test_what_is_written_reads_back() -> None:
    data = {
        "texts": [
            "1e-4",
            "012",
            "yes",
            "no",
            "6",
            "1:30",
            "0o7",
            "null",
            "",
            ".5",
            "~",
            "a: b",
            "é",
        ],
        "numbers": [1e-5, 1e-4, 3, 1.0, 2e300, -0.1],
        "others": [True, False, None, {}, []],
        "again": {"x": [1, 2]},
    }
    again = read(dump(data))
    assert again == data
    assert [type(n) for n in again["numbers"]] == [float, float, int, float, float, float]


def test_repeated_objects_are_written_without_aliases() -> None:
    shared = [1, 2]
    assert read(dump({"a": shared, "b": shared})) == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 3000 + "]" * 3000,
        "a: " + "{a: " * 400 + "1" + "}" * 400,
        "\n".join(" " * depth + "a:" for depth in range(300)),
        "a: " + "[" * 3000,
    ],
    ids=["lists", "mappings", "indented", "unclosed"],
)
def test_nesting_that_no_recipe_has_is_one_clear_line(text: str) -> None:
    (line,) = refused(text)
    assert line.endswith("not valid YAML: nested deeper than 40 levels")
