"""The examples of the documentation run as printed: one section, one fresh namespace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from zoo.registries import ENCODERS

PAGE = Path(__file__).parent.parent / "docs" / "use-from-python.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections() -> dict[str, str]:
    """Return the Python of each section of the page, by its heading, at the lines it stands on."""
    text = PAGE.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    starts = [*re.finditer(r"^## (.+)$", text, re.MULTILINE)]
    ends = [*(start.start() for start in starts[1:]), len(text)]
    for start, end in zip(starts, ends, strict=True):
        code = ""
        for block in BLOCK.finditer(text, start.end(), end):
            line = text[: block.start(1)].count("\n")
            code += "\n" * (line - code.count("\n")) + block[1]
        if code:
            found[start[1]] = code
    return found


@pytest.fixture
def _nothing_stays() -> Iterator[None]:
    """Undo what an example changes for the whole process: torch's generator, added components."""
    added = dict(ENCODERS._added)
    with torch.random.fork_rng(devices=[]):
        yield
    ENCODERS._added.clear()
    ENCODERS._added.update(added)


@pytest.mark.parametrize("heading", sections())
@pytest.mark.usefixtures("_nothing_stays")
def test_example(heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    code = compile(sections()[heading], str(PAGE), "exec", dont_inherit=True)
    exec(code, {"__name__": "example"})


def test_every_example_is_found():
    text = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == text.count("```python") >= 4
    assert "An encoder in your own training loop" in sections()


def test_the_printed_error_is_the_real_one(capsys: pytest.CaptureFixture[str]):
    exec(sections()["Find a component and build it"], {})
    said = capsys.readouterr().out
    assert "unknown encoder 'egnet'. Did you mean 'eegnet'? Known encoders: " in said
    assert said.startswith("['eeg_channel_net', 'eeg_conv_net', 'eegnet']\n1 64\n")
