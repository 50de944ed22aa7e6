"""Imports run one way, and what has to be quick imports nothing heavy."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.registries import REGISTRIES

ROOT = Path(__file__).resolve().parent.parent

#: Nobody imports from a higher rank. The longest matching prefix counts.
RANKS = {
    "registry": 0,
    # what components are made of
    "zoo.contracts": 1,
    "zoo.seeds": 1,
    "zoo.progress": 1,
    "zoo.processes": 1,
    "zoo.statistics": 1,
    "zoo.pairings": 1,
    "zoo.precision": 1,
    "zoo.comparison": 1,
    "zoo.controls": 1,
    "zoo.training": 1,
    "zoo.training_log": 1,
    "zoo.optimisation": 1,
    "zoo.checkpoints": 1,
    "zoo.judge_net": 1,
    "zoo.file_hash": 1,
    "zoo.towers": 1,
    "zoo.drawings": 1,
    # components and their list
    **{registry.package: 2 for registry in REGISTRIES.values()},
    "zoo.registries": 2,
    "zoo.stages": 3,
    "zoo.recipe": 4,
    # what speaks of the cells of a recipe
    "zoo.grid_scores": 4,
    "zoo.analyses": 4,
    "zoo.engine": 5,
    "zoo.export": 5,
    "zoo.report": 6,
    "zoo.compare": 6,
    "zoo.probe": 6,
    "zoo.checks": 6,
    # what people call
    "zoo": 7,
    "cli": 8,
}
#: Imports against the direction, each with its reason.
EXCUSED = {
    ("zoo.engine.run", "zoo.report"): "a run ends with its report",
    ("zoo.engine.run", "zoo.plan_text"): "a run begins by naming its cells",
    ("zoo.__main__", "cli"): "python -m zoo is the command",
}
COMPONENTS = {
    f"{registry.package}.{name}" for registry in REGISTRIES.values() for name in registry.names()
}


def modules() -> dict[str, Path]:
    files = [*(ROOT / "zoo").rglob("*.py"), *(ROOT / "registry").rglob("*.py"), ROOT / "cli.py"]
    named = {}
    for path in files:
        parts = path.relative_to(ROOT).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


MODULES = modules()


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Yield (our module, line) of every import in a file, those inside functions included."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    ]
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} relative import"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in whole]
        else:
            continue
        for name in names:
            if name.partition(".")[0] in ("zoo", "registry", "cli"):
                yield name, node.lineno


def rank(module: str) -> int:
    return RANKS[max((p for p in RANKS if f"{module}.".startswith(f"{p}.")), key=len)]


def kind_package(module: str) -> str | None:
    """Return "zoo.encoders" for a module of that folder."""
    package = ".".join(module.split(".")[:2])
    return package if package in {r.package for r in REGISTRIES.values()} else None


def test_the_graph_is_seen_at_all() -> None:
    assert len(MODULES) > 30
    assert sum(1 for path in MODULES.values() for _ in imported(path)) > 60
    assert rank("zoo.encoders.eegnet") == 2
    assert rank("zoo.listing") == 7


def test_imports_run_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {target}"
        for module, path in MODULES.items()
        for target, line in imported(path)
        if rank(target) > rank(module) and (module, target) not in EXCUSED
    ]
    assert wrong == []


def test_components_are_only_reached_by_name() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports the component {target}"
        for module, path in MODULES.items()
        for target, line in imported(path)
        if target in COMPONENTS and target != module
    ]
    assert wrong == []


def test_helpers_are_shared_inside_one_folder_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {target}"
        for module, path in MODULES.items()
        for target, line in imported(path)
        if kind_package(module) and kind_package(target) not in (None, kind_package(module))
    ]
    assert wrong == []


HEAVY = ("torch", "numpy", "pandas", "mne", "diffusers", "transformers", "braindecode", "pydantic")


def fresh(code: str) -> dict[str, object]:
    """Run code in a fresh interpreter; return which heavy modules it loaded and its CPU time."""
    report = (
        "import json, resource, sys; used = resource.getrusage(resource.RUSAGE_SELF); "
        f"print(json.dumps([[m for m in {HEAVY} if m in sys.modules], "
        "used.ru_utime + used.ru_stime]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    loaded, seconds = json.loads(done.stdout.splitlines()[-1])
    return {"loaded": loaded, "seconds": seconds, "out": done.stdout}


COMMAND = "from cli import main\ntry: main({}, standalone_mode=False)\nexcept SystemExit: pass"


@pytest.mark.parametrize("args", [["list"], ["list", "encoders", "eeg*"], ["--help"]])
def test_listing_imports_nothing_heavy(args: list[str]) -> None:
    runs = [fresh(COMMAND.format(args)) for _ in range(2)]
    assert runs[0]["loaded"] == []
    assert len(str(runs[0]["out"]).splitlines()) > 3
    assert min(float(str(run["seconds"])) for run in runs) < 0.5


@pytest.mark.parametrize(
    "code",
    [
        "import zoo; assert zoo.list_encoders()",
        "import registry",
        "import zoo.contracts",
        "from zoo import component, create, list_encoders",
    ],
)
def test_importing_the_package_is_light(code: str) -> None:
    assert fresh(code)["loaded"] == []


@pytest.mark.parametrize("code", ["import zoo.recipe", "import zoo.engine.plan"])
def test_recipes_and_plans_need_no_torch(code: str) -> None:
    loaded = fresh(code)["loaded"]
    assert set(loaded) <= {"numpy", "pydantic"}, loaded


def test_describing_every_component_imports_none() -> None:
    code = "import zoo\nfor r in zoo.REGISTRIES.values(): r.specs()"
    assert fresh(code)["loaded"] == []


def test_a_foreign_registry_is_named(tmp_path: Path) -> None:
    (tmp_path / "registry.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import zoo"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"but Python finds {tmp_path / 'registry.py'}. Rename or move that file" in done.stderr
