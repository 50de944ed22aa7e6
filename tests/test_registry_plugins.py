"""Plug-ins: entry points of other distributions, and --plugin; lazy and isolated."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry import BrokenComponent, ComponentError, Registry, UnknownComponent
from registry.plugins import plugin_source

PLUGIN = '''"""Atm: an encoder from elsewhere."""
from registry import component

@component("encoder", license="MIT")
class Atm:
    """Made elsewhere."""

    def __init__(self, *, width: int = 3):
        self.width = width
'''

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a fake distribution: its entry points and its package's files."""
    monkeypatch.delenv("ZOO_NO_PLUGINS")
    before = set(sys.modules)

    def make(
        distribution: str, version: str, points: dict[str, str], files: dict[str, str]
    ) -> Path:
        site = tmp_path / f"{distribution}-{version}"
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: {version}\n")
        listed = "".join(f"{name} = {value}\n" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[zoo.testing]\n{listed}")
        for name, text in files.items():
            path = site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(str(site))
        return site

    yield make
    for name in set(sys.modules) - before:
        if name.startswith(("eeg_plug", "other_plug", "eegzoo_plugin_")):
            del sys.modules[name]


@pytest.fixture
def encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    folder = tmp_path / "own" / f"kennel_{tmp_path.name}" / "encoders"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "eegnet.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    return Registry("encoder", f"kennel_{tmp_path.name}.encoders", "zoo.testing")


def test_an_entry_point_is_described_without_importing_it(
    install: Install, encoders: Registry
) -> None:
    trap = {"eeg_plug/__init__.py": "raise RuntimeError('imported')", "eeg_plug/atm.py": PLUGIN}
    install("eeg-plug", "0.3", {"atm": "eeg_plug.atm:Atm", "atm2": "eeg_plug.atm"}, trap)
    assert encoders.names() == ["atm", "atm2", "eegnet"]
    assert encoders.spec("atm").summary == "Atm: an encoder from elsewhere."
    assert encoders.spec("atm2").class_name == "Atm"
    assert encoders.origin("atm") == "eeg-plug 0.3 (eeg_plug/atm.py:4)"
    assert not [name for name in sys.modules if name.startswith("eeg_plug")]


def test_an_entry_point_is_built(install: Install, encoders: Registry) -> None:
    install("eeg-plug", "0.3", {"atm": "eeg_plug.atm:Atm"}, {"eeg_plug/atm.py": PLUGIN})
    assert encoders.create("atm", width=5).width == 5


def test_a_broken_plugin_breaks_only_itself(install: Install, encoders: Registry) -> None:
    files = {"eeg_plug/__init__.py": "raise RuntimeError('broken')", "eeg_plug/atm.py": PLUGIN}
    points = {"atm": "eeg_plug.atm", "gone": "eeg_plug.gone", "bad": "eeg_plug.bad"}
    install("eeg-plug", "0.3", points, files | {"eeg_plug/bad.py": "("})
    assert encoders.create("eegnet").width == 3
    with pytest.raises(BrokenComponent) as caught:
        encoders.get("atm")
    assert str(caught.value) == (
        "encoder 'atm' (eeg_plug/atm.py:4) failed to import: RuntimeError: broken"
    )
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(BrokenComponent, match="'gone' .eeg-plug 0.3.: the module 'eeg_plug.gone'"):
        encoders.spec("gone")
    with pytest.raises(BrokenComponent, match="eeg_plug/bad.py:1. failed to import"):
        encoders.spec("bad")


def test_a_plugin_may_not_shadow(install: Install, encoders: Registry) -> None:
    install("eeg-plug", "0.3", {"eegnet": "eeg_plug.atm"}, {"eeg_plug/atm.py": PLUGIN})
    assert encoders.names() == ["eegnet"]
    own = encoders.package.partition(".")[0]
    with pytest.raises(BrokenComponent) as caught:
        encoders.create("eegnet")
    assert str(caught.value) == (
        f"encoder 'eegnet' is provided by {own} and by eeg-plug 0.3; uninstall or rename one"
    )


def test_two_plugins_may_not_share_a_name(install: Install, encoders: Registry) -> None:
    install("eeg-plug", "0.3", {"atm": "eeg_plug.atm"}, {"eeg_plug/atm.py": PLUGIN})
    install("other-plug", "1.0", {"atm": "other_plug.atm"}, {"other_plug/atm.py": PLUGIN})
    with pytest.raises(BrokenComponent, match="provided by other-plug 1.0 and by eeg-plug 0.3"):
        encoders.spec("atm")


def test_the_same_entry_point_twice_is_one(install: Install, encoders: Registry) -> None:
    site = install("eeg-plug", "0.3", {"atm": "eeg_plug.atm"}, {"eeg_plug/atm.py": PLUGIN})
    sys.path.insert(0, f"{site}/")
    try:
        assert encoders.spec("atm").class_name == "Atm"
    finally:
        sys.path.remove(f"{site}/")


def test_the_off_switch(
    install: Install, encoders: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("eeg-plug", "0.3", {"atm": "eeg_plug.atm"}, {"eeg_plug/atm.py": PLUGIN})
    monkeypatch.setenv("ZOO_NO_PLUGINS", "1")
    assert encoders.names() == ["eegnet"]
    monkeypatch.setenv("ZOO_NO_PLUGINS", "0")
    assert encoders.names() == ["atm", "eegnet"]


def test_a_file_from_the_command_line(encoders: Registry, tmp_path: Path) -> None:
    file = tmp_path / "my_net.py"
    file.write_text(PLUGIN)
    encoders.add_plugin(plugin_source(str(file)))
    encoders.add_plugin(plugin_source(str(file)))  # given twice
    assert encoders.names() == ["eegnet", "my_net"]
    assert encoders.create("my_net").width == 3
    assert encoders.origin("my_net") == f"--plugin {file} ({file}:4)"
    assert encoders.spec("my_net").path == file


def test_a_broken_file_from_the_command_line(encoders: Registry, tmp_path: Path) -> None:
    file = tmp_path / "my_net.py"
    file.write_text(PLUGIN + "\n1 / 0\n")
    encoders.add_plugin(plugin_source(str(file)))
    for _ in range(2):  # the second time must fail the same way
        with pytest.raises(BrokenComponent, match=r"my_net.py:11\) failed to import: ZeroDiv"):
            encoders.get("my_net")


def test_a_module_from_the_command_line(
    encoders: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eeg_plug_here").mkdir()
    (tmp_path / "eeg_plug_here" / "my_net.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    encoders.add_plugin(plugin_source("eeg_plug_here.my_net"))
    assert encoders.create("my_net").width == 3


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        ("gone.py", "--plugin gone.py: there is no such file"),
        ("some/where", "--plugin some/where: there is no such file"),
        (
            "no_such_module_at_all",
            "--plugin no_such_module_at_all: no module of this name can be found "
            "(for a file, end it in .py)",
        ),
    ],
)
def test_nothing_there(plugin: str, text: str) -> None:
    with pytest.raises(ComponentError) as caught:
        plugin_source(plugin)
    assert str(caught.value) == text


def test_the_zoo_takes_a_plugin_by_its_mark(tmp_path: Path) -> None:
    from zoo.registries import ENCODERS, add_plugin

    file = tmp_path / "plugged_in_for_a_test.py"
    file.write_text(PLUGIN)
    try:
        add_plugin(str(file))
        assert ENCODERS.create("plugged_in_for_a_test").width == 3
    finally:
        ENCODERS._extra.clear()
    file.write_text(PLUGIN.replace('"encoder"', '"encodr"'))
    with pytest.raises(UnknownComponent, match=rf"^{file}: unknown kind 'encodr'\. Did you mean"):
        add_plugin(str(file))
    file.write_text("x = 1")
    with pytest.raises(UnknownComponent) as caught:
        add_plugin(str(file))
    assert str(caught.value) == (f"{file} must mark exactly one component with @component, found 0")
