"""`load_recipe`: from a file and the command line to checked cells, or every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from registry.errors import did_you_mean
from zoo.recipe.analyses import check_analyses, still_asked
from zoo.recipe.arms import Arm, arms_of, require_cells, require_trials
from zoo.recipe.cells import Cell, Recipe
from zoo.recipe.controls import require_cells as require_cells_of_controls
from zoo.recipe.errors import Problems, RecipeError
from zoo.recipe.find import find_recipe
from zoo.recipe.grid import (
    Variant,
    axes_of,
    axis_problem,
    cell_ids,
    expand,
    is_overridden,
    require_apart,
)
from zoo.recipe.layers import layer, leaves, merge, normalised, stand_in, without
from zoo.recipe.listed import listed
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import Assignments, parse_overrides
from zoo.recipe.published import check_published
from zoo.recipe.published import require_cells as require_cells_of_figures
from zoo.recipe.replaced import require_told_apart
from zoo.recipe.resolve import Resolver
from zoo.recipe.resolved import resolved
from zoo.recipe.schema import CELL_KEYS, FILE_KEYS
from zoo.recipe.sources import check_sources, in_force
from zoo.recipe.stand_ins import forbid, require_data, require_tower, require_weights, stamps
from zoo.recipe.yaml_strict import parse
from zoo.registries import reading_once

STAND_INS = ("data", "weights")
#: Free text, where a leading slash is no path.
_PROSE = ("summary", "sources", "published")


def load_recipe(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    scale: str = "auto",
    data_root: Path | None = None,
    weights_root: Path | None = None,
    for_run: bool = False,
) -> Recipe:
    """Read, merge, expand and check a recipe. Imports no torch.

    Parameters
    ----------
    source : str or Path
        A file, or the name of a recipe that ships ("paper").
    overrides : sequence of str
        Arguments of ``--set``: "encoder=eegnet", "encoder.train.lr=3e-4".
    scale : {"auto", "full"}
        "full" forbids stand-ins and names everything that is missing.
    data_root, weights_root : Path, optional
        Where given, the stand-in for data or for weights is left out.
    for_run : bool
        Also require the data root of data sets that read recordings.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        With all problems, one line each: ``recipes/paper.yaml:14 encoder.train.objectve: unknown
        key. Did you mean 'objective'?``
    """
    if scale not in ("auto", "full"):
        raise RecipeError(f"--scale {scale}: must be auto or full")
    with reading_once():
        return _load(source, overrides, scale, data_root, weights_root, for_run=for_run)


def _load(
    source: str | Path,
    overrides: Sequence[str],
    scale: str,
    data_root: Path | None,
    weights_root: Path | None,
    *,
    for_run: bool,
) -> Recipe:
    path, shown = find_recipe(source)
    text = _read(path, shown)
    problems = Problems()
    file = _file(text, shown, problems)
    overrides_given, more_axes = parse_overrides(overrides, problems)
    _refuse_paths(overrides_given, problems)
    roots = {"data": data_root, "weights": weights_root}
    applied = [kind for kind in STAND_INS if scale == "auto" and roots[kind] is None]

    variants = file.variants(applied, overrides_given, more_axes, problems)
    ids = cell_ids([variant.coords for variant in variants])
    if overrides and not problems:
        require_told_apart(ids, problems)
    resolver = Resolver(problems)
    found = [
        None
        if cell is None
        else replace(cell, tuned=v.tuned, given=v.given, replaced=v.replaced, lost_arm=v.lost_arm)
        for v, cell_id in zip(variants, ids, strict=True)
        for cell in [resolver.cell(v.tree, v.coords, cell_id)]
    ]
    if not overrides:  # with them an arm may be left without cells
        file.check_arms(applied, variants, problems)
    others = file.check_other_layers(applied, variants, problems)
    published = check_published(file.published, problems)
    cells = tuple(cell for cell in found if cell is not None)
    if len(cells) == len(found) and _own_controls(overrides, overrides_given, file):
        require_cells_of_controls(variants[0].tree, cells, problems)
    if len(cells) == len(found) and not overrides and file.cells is None:
        require_cells_of_figures(published, file.published, [*cells, *others], problems)
    changed = bool(overrides_given or more_axes)
    analyses = check_analyses(file.analyses_of(applied), cells, problems, changed=changed)
    trees = [variant.tree for variant in variants]
    if scale == "full":
        forbid(trees, data_root, weights_root, problems)
    else:
        require_weights(trees, weights_root, problems, for_run=for_run)
        if for_run:
            require_data(trees, data_root, problems)
            require_tower(trees, weights_root, problems)
    problems.raise_if_any()

    head = plain(variants[0].tree)
    sources = in_force(
        plain(file.sources), file.replaced(applied), [".".join(path) for path, _ in overrides_given]
    )
    return Recipe(
        name=head["name"],
        summary=head.get("summary", ""),
        path=path,
        text=text,
        sources=sources,
        seed=cells[0].seed,
        cells=cells,
        published=tuple(published),
        resolved=resolved(head, sources, published, cells) | still_asked(analyses, cells),
        analyses=analyses,
        **stamps(cells, data_root),
    )


@dataclass(frozen=True)
class _File:
    """A recipe file, taken apart."""

    base: Node
    pocket: dict[str, Node]
    grid: dict[str, Node]
    cells: Node | None
    arms: Node | None
    published: Node | None
    sources: Node
    analyses: Node | None

    def variants(
        self,
        applied: Sequence[str],
        overrides: Assignments,
        more_axes: dict[str, Node],
        problems: Problems,
    ) -> list[Variant]:
        """Return the merged tree of each cell, with the stand-ins that are `applied`."""
        base = self.base
        for kind in STAND_INS:
            if kind in applied and kind in self.pocket:
                base = merge(base, stand_in(self.pocket[kind], problems))
        if self.cells is not None:
            for dotted, node in more_axes.items():
                problems.add(
                    node.where,
                    f"this recipe lists its cells and has no grid; set {dotted} itself to change "
                    "it in all of them, or take the recipe that it was made from",
                )
            return listed(base, self.cells, overrides, problems)
        axes = axes_of({**self.axes(applied, problems), **more_axes}, problems)
        require_apart(axes, problems)
        mine = axes_of(more_axes, Problems())
        arms = self.arms_of(applied, problems)
        _check_given(arms, [axis for axis in axes if axis not in mine], base, problems)
        return expand(base, axes, overrides, arms, mine)

    def axes(self, applied: Sequence[str], problems: Problems) -> dict[str, Node]:
        """Return the grid's axes, those of the stand-ins in use over the recipe's own."""
        found = dict(self.grid)
        for kind in applied:
            if kind in self.pocket:
                found |= _mapping(self.pocket[kind], "grid", problems)
        return found

    def analyses_of(self, applied: Sequence[str]) -> Node | None:
        """Return what is asked: by a stand-in in use, which knows its axes, else by the recipe."""
        own = (self.pocket[kind].at(("analyses",)) for kind in applied if kind in self.pocket)
        return next((node for node in own if node is not None), self.analyses)

    def arms_of(self, applied: Sequence[str], problems: Problems) -> list[Arm]:
        """Return the recipe's arms and, laid over them, those of the stand-ins in use."""
        own = [self.pocket[kind].at(("arms",)) for kind in applied if kind in self.pocket]
        return [arm for node in (self.arms, *own) for arm in arms_of(node, problems)]

    def check_arms(
        self, applied: Sequence[str], variants: Sequence[Variant], problems: Problems
    ) -> None:
        """Note every arm that is about no cell, and a cell without an arm among tuned ones."""
        arms = self.arms_of(applied, Problems())
        trees = [variant.bare or variant.tree for variant in variants]
        require_cells(arms, trees, problems)
        require_trials(arms, trees, cell_ids([variant.coords for variant in variants]), problems)

    def replaced(self, applied: Sequence[str]) -> dict[str, list[str]]:
        """Return the dotted paths that each stand-in in use sets, by itself or in its arms."""
        used = {k: self.pocket[k] for k in applied if k in self.pocket}
        layers = {k: stand_in(own, Problems()) for k, own in used.items()}
        by_arms = {
            k: [path for arm in arms_of(own.at(("arms",)), Problems()) for path, _ in arm.given]
            for k, own in used.items()
        }
        return {
            k: list(dict.fromkeys(".".join(path) for path in [*leaves(tree), *by_arms[k]]))
            for k, tree in layers.items()
        }

    def check_other_layers(
        self, applied: Sequence[str], in_use_variants: Sequence[Variant], problems: Problems
    ) -> list[Cell]:
        """Check the layers not in use now, and the notes: a typo must not wait until they are.

        Returns the cells that these layers make.
        """
        cells = []
        in_use = [kind for kind in applied if kind in self.pocket]
        trees = [variant.tree for variant in in_use_variants]
        for kinds in ([], list(self.pocket)):
            if kinds != in_use:
                resolver = Resolver(problems)
                found = self.variants(kinds, [], {}, problems)
                self.check_arms(kinds, found, problems)
                ids = cell_ids([variant.coords for variant in found])
                made = [
                    cell
                    for variant, cell_id in zip(found, ids, strict=True)
                    if (cell := resolver.cell(variant.tree, variant.coords, cell_id)) is not None
                ]
                if len(made) == len(found):
                    check_analyses(self.analyses_of(kinds), made, problems, changed=False)
                cells += made
                trees += [variant.tree for variant in found]
        check_sources(self.sources.entries(), trees, problems)
        return cells


def _own_controls(overrides: Sequence[str], given: Assignments, file: _File) -> bool:
    """Say whether the controls must each have a cell: those of ``--set``, and those of a file
    whose cells are its own.
    """
    if any(path[0] == "controls" for path, _ in given):
        return True
    return not overrides and file.cells is None


def _read(path: Path, shown: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{shown}: cannot be read as UTF-8 text: {error}") from error


def _file(text: str, shown: str, problems: Problems) -> _File:
    root = parse(text, shown, problems)
    if root is None or not isinstance(root.value, dict):
        if root is not None:
            problems.add(root.where, "a recipe is a mapping of keys to values")
        problems.raise_if_any()
        raise AssertionError("a problem was noted")
    known = [*CELL_KEYS, *FILE_KEYS]
    unknown = [key for key in root.value if key not in known]
    for key in unknown:
        hint = did_you_mean(key, known) or f"Known here: {', '.join(known)}"
        problems.add(root.value[key].where, f"unknown key. {hint}")
    for key, node in root.value.items():
        if key not in _PROSE:
            _refuse_absolute(node, problems)
    pocket = _mapping(root, "pocket", problems)
    for key in [key for key in pocket if key not in STAND_INS]:
        hint = did_you_mean(key, STAND_INS)
        problems.add(pocket.pop(key).where, f"unknown key. {hint}It holds: data, weights")
    cells = root.at(("cells",))
    if cells is not None and "grid" in root.value:
        problems.add(cells.where, "give 'cells' or 'grid', not both")
    return _File(
        base=normalised(without(root, [*FILE_KEYS, *unknown])),
        pocket=pocket,
        grid=_mapping(root, "grid", problems),
        cells=cells,
        arms=root.at(("arms",)),
        published=root.at(("published",)),
        sources=Node(_mapping(root, "sources", problems), root.where),
        analyses=root.at(("analyses",)),
    )


def _mapping(root: Node, key: str, problems: Problems) -> dict[str, Node]:
    node = root.at((key,))
    if node is not None and not isinstance(node.value, dict):
        problems.add(node.where, "must be a mapping")
    return {} if node is None else dict(node.entries())


def _check_given(
    arms: Sequence[Arm], axes: Sequence[tuple[str, ...]], base: Node, problems: Problems
) -> None:
    """Note what arms set that cells cannot differ in, or that the grid varies."""
    for arm in arms:
        for path, node in arm.given:
            if (problem := axis_problem(".".join(path))) is not None:
                problems.add(node.where, problem)
        top = layer(arm.given, arm.place)
        for axis in axes:
            if is_overridden(axis, top, base):
                problems.add(arm.place, f"sets {'.'.join(axis)}, which the grid varies")


def _refuse_paths(overrides: Assignments, problems: Problems) -> None:
    for _, node in overrides:
        _refuse_absolute(node, problems)


def _refuse_absolute(node: Node, problems: Problems) -> None:
    """Note absolute paths and interpolation: a recipe means the same on every machine."""
    for scalar in _texts(node):
        text = str(scalar.value)
        if PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive or text[:1] == "~":
            problems.add(
                scalar.where,
                f"absolute path {text!r}: folders are named on the command line "
                "(--data-root, --weights-root), so that a recipe runs anywhere",
            )
        elif "${" in text:
            problems.add(scalar.where, f"{text!r}: recipes have no interpolation; write the value")


def _texts(node: Node) -> Iterator[Node]:
    if isinstance(node.value, dict):
        for entry in node.value.values():
            yield from _texts(entry)
    elif isinstance(node.value, list):
        for item in node.value:
            yield from _texts(item)
    elif isinstance(node.value, str):
        yield node
