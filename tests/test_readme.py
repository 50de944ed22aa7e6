"""The README says what CI does: the same test command, links that lead somewhere, a true tree."""

import re
from pathlib import Path

import pytest

from zoo.component_docs import check_readme_tree

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def commands() -> list[str]:
    """Return the README's two commands that make and use their own environment."""
    return re.findall(r"^python3 -m venv .+$", README, flags=re.MULTILINE)


def test_two_commands_set_up_everything():
    run, test = commands()
    assert run.endswith(".venv/bin/zoo run recipes/paper.yaml")
    assert test.endswith(".venv/bin/python -m pytest")


def test_ci_calls_exactly_the_test_command():
    assert commands()[1] in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_file_tree_is_that_of_the_files():
    check_readme_tree()


def test_no_figure_is_left_open():
    assert "@@" not in README


PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing
