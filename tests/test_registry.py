"""The registry: the folder is the list, specs are static, every error has its exact text."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry import (
    MISSING,
    BadParameters,
    BrokenComponent,
    ComponentError,
    Registry,
    UnknownComponent,
    UserError,
    component,
)
from registry.runtime import spec_of_class

GOOD = '''"""Good: a well-made encoder.

Second paragraph.
"""
from __future__ import annotations
from registry import component

BAND = (5.0, 95.0)

@component("encoder", paper="10.1/x", license="MIT", tiny={"width": 4}, tokens=(1, "width"))
class Good:
    """It is good.

    Parameters
    ----------
    n_chans, n_times : int
        Size of a trial; more here.
    width : int
        Width of the token. Not shown.
    """

    def __init__(
        self, *, n_chans: int, n_times: int, width: int = 8, band: tuple[float, float] = BAND,
        mode: str | None = None
    ):
        self.width = width
'''
MARK = "from registry import component\n"
_numbers = itertools.count()


class Zoo:
    """A temporary package with a folder of encoders and one of metrics."""

    def __init__(self, root: Path) -> None:
        self.package = f"shelter{next(_numbers)}"
        self.root = root
        for kind in ("encoders", "metrics"):
            (root / self.package / kind).mkdir(parents=True)
        (root / self.package / "__init__.py").touch()
        family: dict[str, Registry] = {}
        supplied = {"n_chans": "number of EEG channels", "n_times": "samples per trial"}
        group = f"{self.package}.encoders"
        self.encoders = Registry("encoder", group, group, supplied=supplied, family=family)
        group = f"{self.package}.metrics"
        self.metrics = Registry("metric", group, group, family=family)

    def write(self, name: str, text: str, kind: str = "encoders") -> Path:
        path = self.root / self.package / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Zoo(tmp_path)
    yield made
    for name in [m for m in sys.modules if m.partition(".")[0] == made.package]:
        del sys.modules[name]


def message(call: Callable[[], object], error: type[Exception]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


# ---- the folder is the list


def test_only_files_directly_in_the_folder_are_components(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    zoo.write("also_good.py", GOOD)
    zoo.write("__init__.py", "")
    zoo.write("_helper.py", "")
    zoo.write("pocket/__init__.py", GOOD)
    zoo.write("notes.txt", "")
    assert zoo.encoders.names() == ["also_good", "good"]
    assert zoo.encoders.names("*_good") == ["also_good"]
    assert zoo.encoders.names("x*") == []


def test_a_file_written_later_is_listed_at_once(zoo: Zoo) -> None:
    assert zoo.encoders.names() == []
    zoo.write("good.py", GOOD)
    assert zoo.encoders.names() == ["good"]


def test_listing_and_describing_import_nothing(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD + "\nraise RuntimeError('imported')\n")
    assert zoo.encoders.spec("good").class_name == "Good"
    assert [s.name for s in zoo.encoders.specs()] == ["good"]
    assert f"{zoo.package}.encoders.good" not in sys.modules
    assert f"{zoo.package}.encoders" not in sys.modules


# ---- static specs


def test_static_spec(zoo: Zoo) -> None:
    path = zoo.write("good.py", GOOD)
    spec = zoo.encoders.spec("good")
    assert (spec.kind, spec.name, spec.class_name) == ("encoder", "good", "Good")
    assert spec.summary == "Good: a well-made encoder."
    assert spec.doc.endswith("Second paragraph.")
    assert spec.notes == "It is good."
    assert (spec.module, spec.path) == (f"{zoo.package}.encoders.good", path)
    assert path.read_text().splitlines()[spec.line - 1].startswith("@component(")
    assert spec.meta == {
        "paper": "10.1/x",
        "license": "MIT",
        "tiny": {"width": 4},
        "tokens": (1, "width"),
    }
    assert [(p.name, p.annotation, p.default, p.help) for p in spec.parameters] == [
        ("n_chans", "int", MISSING, "Size of a trial"),
        ("n_times", "int", MISSING, "Size of a trial"),
        ("width", "int", 8, "Width of the token"),
        ("band", "tuple[float, float]", (5.0, 95.0), ""),
        ("mode", "str | None", None, ""),
    ]
    assert zoo.encoders.origin("good") == (
        f"{zoo.package} ({zoo.package}/encoders/good.py:{spec.line})"
    )


def test_static_spec_equals_the_spec_of_the_class(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    assert spec_of_class("encoder", "good", zoo.encoders.get("good")) == zoo.encoders.spec("good")


def test_a_class_without_constructor_takes_nothing(zoo: Zoo) -> None:
    zoo.write("plain.py", MARK + '@component("encoder")\nclass Plain: ...\n')
    assert zoo.encoders.spec("plain").parameters == ()
    assert zoo.encoders.spec("plain").summary == ""


def test_an_edited_file_is_read_again(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    assert zoo.encoders.spec("good").meta["license"] == "MIT"
    zoo.write("good.py", GOOD.replace('"MIT"', '"BSD-3-Clause"'))
    assert zoo.encoders.spec("good").meta["license"] == "BSD-3-Clause"


# ---- building


def test_create(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    assert zoo.encoders.create("good", n_chans=3, n_times=5, width=2).width == 2


def test_errors_of_a_constructor_pass_through(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD + "        raise OverflowError('own business')\n")
    assert (
        message(lambda: zoo.encoders.create("good", n_chans=1, n_times=1), OverflowError)
        == "own business"
    )


def test_a_class_added_by_hand(zoo: Zoo) -> None:
    @component("encoder", license="MIT")
    class Mine:
        def __init__(self, *, n_chans: int, depth: int = 2):
            self.depth = depth

    zoo.encoders.add("mine", Mine)
    assert zoo.encoders.names() == ["mine"]
    assert zoo.encoders.get("mine") is Mine
    assert zoo.encoders.spec("mine").meta == {"license": "MIT"}
    assert zoo.encoders.spec("mine").parameter("depth").default == 2
    assert zoo.encoders.create("mine", n_chans=1).depth == 2
    assert zoo.encoders.origin("mine").startswith("added by hand (")
    zoo.encoders.add("mine", Mine)  # a notebook cell run twice
    zoo.write("good.py", GOOD)
    assert message(lambda: zoo.encoders.add("good", Mine), ComponentError).startswith(
        "encoder 'good' is already provided by "
    )
    zoo.metrics.add("wrong", Mine)
    assert message(lambda: zoo.metrics.spec("wrong"), ComponentError) == (
        "Mine is an encoder, not a metric"
    )


def test_a_renamed_component_forwards_with_a_warning(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD.replace("tiny=", 'renamed_from=("fine", "well"), tiny='))
    zoo.write("broken.py", "(")
    with pytest.warns(DeprecationWarning, match="^encoder 'fine' is now called 'good'$"):
        assert zoo.encoders.spec("fine").name == "good"
    with pytest.warns(DeprecationWarning, match="^encoder 'well' is now called 'good'$"):
        assert zoo.encoders.create("well", n_chans=1, n_times=1).width == 8
    assert zoo.encoders.names() == ["broken", "good"]


# ---- errors: their text is the interface


def test_typo(zoo: Zoo) -> None:
    zoo.write("eegnet.py", GOOD)
    zoo.write("conformer.py", GOOD)
    assert message(lambda: zoo.encoders.get("egnet"), UnknownComponent) == (
        "unknown encoder 'egnet'. Did you mean 'eegnet'? Known encoders: conformer, eegnet"
    )
    assert message(lambda: zoo.encoders.spec("zzz"), UnknownComponent) == (
        "unknown encoder 'zzz'. Known encoders: conformer, eegnet"
    )
    assert message(lambda: zoo.metrics.spec("zzz"), UnknownComponent) == (
        "unknown metric 'zzz'. Known metrics: none"
    )
    assert issubclass(UnknownComponent, UserError)
    assert issubclass(UserError, ValueError)


def test_wrong_kind(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    assert message(lambda: zoo.metrics.create("good"), UnknownComponent) == (
        "'good' is an encoder, not a metric"
    )


def test_bad_parameter(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    assert message(
        lambda: zoo.encoders.create("good", n_chans=1, n_times=1, widht=2), BadParameters
    ) == (
        "encoder 'good' has no parameter 'widht'. Did you mean 'width'? "
        "It takes: n_chans, n_times, width, band, mode"
    )


def test_missing_parameter(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    assert message(lambda: zoo.encoders.create("good", n_times=1), BadParameters) == (
        "encoder 'good' needs 'n_chans' (number of EEG channels)"
    )


def test_all_parameter_problems_at_once(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    text = message(lambda: zoo.encoders.create("good", depth=1), BadParameters)
    assert len(text.splitlines()) == 3


def test_missing_package(zoo: Zoo) -> None:
    body = '@component("metric", extras="metrics")\nclass Lpips: ...\n'
    zoo.write("lpips.py", f"import lpips_not_here.sub\n{MARK}{body}", "metrics")
    with pytest.raises(BrokenComponent) as caught:
        zoo.metrics.get("lpips")
    assert str(caught.value) == (
        "metric 'lpips' needs the package 'lpips_not_here', which is not installed "
        '(pip install "eegzoo[metrics]")'
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    zoo.write(
        "bare.py", f'import lpips_not_here\n{MARK}@component("metric")\nclass M: ...\n', "metrics"
    )
    assert message(lambda: zoo.metrics.get("bare"), BrokenComponent).endswith(
        "(pip install lpips_not_here)"
    )


def test_broken_file(zoo: Zoo) -> None:
    zoo.write("good.py", GOOD)
    zoo.write("mine.py", GOOD + "\n\ndef f():\n    return 1 / 0\nf()\n")
    with pytest.raises(BrokenComponent) as caught:
        zoo.encoders.get("mine")
    line = len(GOOD.splitlines()) + 5
    assert str(caught.value) == (
        f"encoder 'mine' ({zoo.package}/encoders/mine.py:{line - 1}) failed to import: "
        "ZeroDivisionError: division by zero"
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert zoo.encoders.get("good").__name__ == "Good"  # it broke only itself


def test_an_import_error_inside_the_package_is_not_called_a_missing_package(zoo: Zoo) -> None:
    body = '@component("encoder")\nclass A: ...\n'
    zoo.write("mine.py", f"import {zoo.package}.nothing\n{MARK}{body}")
    assert message(lambda: zoo.encoders.get("mine"), BrokenComponent) == (
        f"encoder 'mine' ({zoo.package}/encoders/mine.py:1) failed to import: "
        f"ModuleNotFoundError: No module named '{zoo.package}.nothing'"
    )


def test_syntax_error(zoo: Zoo) -> None:
    zoo.write("mine.py", "x = 1\ndef f(:\n")
    with pytest.raises(BrokenComponent) as caught:
        zoo.encoders.spec("mine")
    assert str(caught.value) == (
        f"encoder 'mine' ({zoo.package}/encoders/mine.py:2) failed to import: invalid syntax"
    )
    assert isinstance(caught.value.__cause__, SyntaxError)
    assert zoo.encoders.names() == ["mine"]


def test_a_mistyped_keyword_of_the_mark(zoo: Zoo) -> None:
    zoo.encoders.facts = ("license", "paper", "tiny", "tokens")
    zoo.write("good.py", GOOD)
    assert zoo.encoders.spec("good").meta["license"] == "MIT"
    zoo.write("good.py", GOOD.replace("license=", "licence="))
    text = (
        "@component has no keyword 'licence'. Did you mean 'license'? "
        "For an encoder it takes: license, paper, tiny, tokens"
    )
    assert message(lambda: zoo.encoders.spec("good"), BrokenComponent) == (
        f"{zoo.package}/encoders/good.py:10 {text}"
    )

    @component("encoder", licence="MIT")
    class Mine: ...

    zoo.encoders.add("mine", Mine)
    assert message(lambda: zoo.encoders.spec("mine"), BrokenComponent).endswith(text)


def test_no_mark_and_two_marks(zoo: Zoo) -> None:
    where = f"{zoo.package}/encoders/mine.py"
    two = "".join(f'@component("encoder")\nclass {c}: ...\n' for c in "AB")
    zoo.write("mine.py", MARK + two)
    assert message(lambda: zoo.encoders.spec("mine"), BrokenComponent) == (
        f"{where} must mark exactly one encoder with @component, found 2 (A, B)"
    )
    zoo.write("mine.py", "class A: ...\n")
    assert message(lambda: zoo.encoders.spec("mine"), BrokenComponent) == (
        f"{where} must mark exactly one encoder with @component, found 0"
    )
    zoo.write("mine.py", MARK + '@component("metric")\nclass A: ...\n')
    assert message(lambda: zoo.encoders.spec("mine"), BrokenComponent) == (
        f"{where} must mark exactly one encoder with @component, found 0 (A is a metric)"
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            'P = 1\n@component("encoder", paper=P)\nclass A: ...\n',
            "3 @component(paper=…) must be a literal, got P",
        ),
        (
            'F = {}\n@component("encoder", **F)\nclass A: ...\n',
            "3 @component takes no **keywords; write them out",
        ),
        (
            "@component()\nclass A: ...\n",
            '2 @component takes the kind first: @component("encoder", …)',
        ),
        (
            '@component("encoder")\nclass A:\n    def __init__(self, a, *b): ...\n',
            "4 A must take keyword-only parameters, not a, *b; write def __init__(self, *, …)",
        ),
        (
            '@component("encoder")\nclass A:\n    def __init__(self, **rest): ...\n',
            "4 A must name its parameters instead of **rest",
        ),
        (
            '@component("encoder")\nclass A:\n    def __init__(self, *, a=len("x")): ...\n',
            "4 A(a=…) default (or a constant of the same file) must be a literal, got len('x')",
        ),
    ],
)
def test_what_cannot_be_read_from_the_text(zoo: Zoo, source: str, text: str) -> None:
    zoo.write("mine.py", MARK + source)
    assert message(lambda: zoo.encoders.spec("mine"), BrokenComponent) == (
        f"{zoo.package}/encoders/mine.py:{text}"
    )
