"""What the recipe becomes: blocks, cells and the checked recipe that the engine is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Block:
    """One component with everything that was decided about it; JSON-able by `asdict`.

    Parameters
    ----------
    name : str
    params : dict
        Constructor parameters, the component's defaults included; without those that the engine
        supplies.
    train : dict
        Every training setting, `epochs` or `steps` (the other is None); empty for components
        that are not trained. The encoder's also holds ``objective: {name, params}``.
    sample : dict
        Every sampling setting (pipelines).
    label : str
        What results call it (metrics, analyses).
    """

    name: str
    params: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    sample: dict[str, Any] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True)
class Replaced:
    """A value that an axis or an arm gave a cell, and that ``--set`` took from it.

    Parameters
    ----------
    path : str
        Dotted.
    was, now : object
        As written.
    gone : bool
        Nothing took its place: another component has no such parameter, epochs replaced steps.
    left_out : bool
        The cell that had it equals another under ``--set``, and that other one is run.
    """

    path: str
    was: Any
    now: Any
    gone: bool = False
    left_out: bool = False


@dataclass(frozen=True)
class Cell:
    """One point of the grid.

    Parameters
    ----------
    id : str
        Safe as a folder's name, unique in the recipe; "cell" where there is no grid.
    coords : dict
        Axis (dotted path) -> its value here, as written.
    controls : tuple of str
        Those that are run here.
    score_on : {"test", "val"}
        The split whose trials are drawn and scored.
    tuned : tuple of str
        Dotted paths of the values that trials of ``arms`` chose for this cell.
    given : tuple of str
        Of the other values that ``arms`` set here.
    replaced : tuple of Replaced
        What ``--set`` put in the place of its own values, and of those of cells that are left out
        because they equal it.
    lost_arm : bool
        ``--set`` made a cell that is of no arm with trials, where there are such arms.
    """

    id: str
    coords: dict[str, Any]
    seed: int
    dataset: Block
    encoder: Block
    conditioner: Block
    pipeline: Block
    metrics: tuple[Block, ...]
    controls: tuple[str, ...]
    score_on: str = "test"
    tuned: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    lost_arm: bool = False

    @property
    def draws(self) -> bool:
        """Say whether pictures are drawn; without them no conditioner is trained."""
        return bool(self.pipeline.sample.get("images_per_trial", 1))


@dataclass(frozen=True)
class Recipe:
    """A recipe after all layers and checks.

    Parameters
    ----------
    name, summary : str
    path : Path
        The file.
    text : str
        What the file holds.
    sources : dict
        Dotted path -> where the choice comes from: text, or ``{"from", "chosen_on"}``. Those in
        force: about values of the stand-ins in use and of ``--set``, too.
    seed : int
        Of the first cell.
    scale : {"pocket", "mixed", "full"}
        Stand-ins for data and for weights: both, one, none.
    data : {"simulated", "real"}
    weights : str
        What the pipelines' weights are called: "pocket", "sd-1.5".
    stand_ins : tuple of str
        Of "data" and "weights", what a stand-in replaces.
    simulated : frozenset of str
        The data sets whose trials are simulated.
    cells : tuple of Cell
    published : tuple of dict
        Figures of papers: metric, value, sd, n, note, where, source.
    resolved : dict
        The recipe with all defaults and layers written out; read again, it gives the same cells.
    analyses : tuple of Block
        What the finished grid is asked; the first is the primary outcome.
    """

    name: str
    summary: str
    path: Path
    text: str
    sources: dict[str, Any]
    seed: int
    scale: str
    data: str
    weights: str
    stand_ins: tuple[str, ...]
    simulated: frozenset[str]
    cells: tuple[Cell, ...]
    resolved: dict[str, Any]
    published: tuple[dict[str, Any], ...] = ()
    analyses: tuple[Block, ...] = ()
