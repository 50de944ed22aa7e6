"""The disk that a node will take in the store, from shapes known before anything is loaded.

Arrays follow from the sizes of the data; weights from the headers of the denoiser's files. What
has no formula is a constant that says what it was measured on. Compared with what a run wrote in
docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.engine.forecast.sizes import Shelf, Sizes, split_of
from zoo.engine.graph import Node
from zoo.towers.table import TOWERS

#: Manifest of an entry: the modules, libraries and parameters behind it.
MANIFEST = 6_000
#: Names and facts of a trial: in trials.csv, in select.npz, in the ids beside an array.
TABLE_ROW, SELECT_ROW, ID = 90, 176, 40
#: An encoder without its head: a quarter of a million numbers, more for the larger ones.
ENCODER = 1_000_000
#: A row of per_sample.csv.
SCORE_ROW = 65
#: A compressed picture against its pixels; a full-colour photograph comes nearest to this.
PNG = 0.6
#: Name, chunks and text of a compressed picture.
PNG_HEAD = 500
#: The judge: the one that ships, measured; one made from the stimuli is smaller.
JUDGE = 430_000


def disk(
    node: Node,
    shelf: Shelf,
    *,
    numbers: int | None = None,
    shape: tuple[int, int] | None = None,
) -> float | None:
    """Return the bytes that `node` will publish; None where they are not known yet.

    Parameters
    ----------
    node : Node
    shelf : Shelf
        Knows the sizes of the data.
    numbers : int or None
        Of a trained conditioner, as it is published; of a picture's latents. Where it is known.
    shape : (int, int) or None
        Tokens and their width, of a node that encodes, where they are known.
    """
    sizes = shelf.sizes(node, node.key)
    match node.stage:
        case "prepare":
            found = _prepare(sizes)
        case "select":
            found = _times(sizes.prepared, SELECT_ROW)
        case "features":
            found = _features(node, shelf, sizes, numbers)
        case "encode":
            found = _encode(node, sizes, shape)
        case "condition":
            found = _condition(node, numbers)
        case "generate":
            found = _generate(node, sizes)
        case "judge":
            found = float(JUDGE)
        case _:
            found = _times(sizes.of(split_of(node)), SCORE_ROW)
    return None if found is None else found + MANIFEST


def checkpoints(train: Mapping[str, Any], trained: Mapping[str, int]) -> float:
    """Return the bytes that a training needs besides while it goes on: its checkpoints.

    Weights, both moments of AdamW, the average under ``ema``; a second copy while one is written;
    and the snapshots until they are published.
    """
    numbers = sum(trained.values())
    kept = numbers * (4.0 + 8.0 + (4.0 if train["ema"] is not None else 0.0))
    return 2.0 * kept + 4.0 * numbers * len(train["snapshots"])


def pictures_of(node: Node, sizes: Sizes) -> int | None:
    """Return how many pictures a node draws."""
    n = sizes.of(split_of(node))
    return None if n is None else n * int(node.params["sample"].get("images_per_trial", 1))


def png_bytes(side: int) -> float:
    """Return the bytes of a compressed picture of `side` pixels each way."""
    return PNG * 3.0 * side**2 + PNG_HEAD


def side_of(params: Mapping[str, Any]) -> int | None:
    """Return the pixels each way of a pipeline's pictures, where its parameters say so."""
    side = params.get("image_size")
    return side if isinstance(side, int) else None


def _prepare(sizes: Sizes) -> float | None:
    if sizes.prepared is None or sizes.shape is None:
        return None
    n_chans, n_times = sizes.shape
    return sizes.prepared * (4.0 * n_chans * n_times + TABLE_ROW)


def _features(node: Node, shelf: Shelf, sizes: Sizes, latents: int | None) -> float | None:
    tower, params = node.params["tower"], node.params
    seen = sizes.pictures
    if "select" in node.inputs and tower != "picture":
        seen = None if sizes.shown is None else sum(sizes.shown.values())
    if tower == "vae":
        # mean and deviation, float32
        return None if latents is None else _times(seen, 2 * 4.0 * latents + ID / 2)
    if tower == "image":
        return _times(seen, 4.0 * (TOWERS[params["name"]].width or 0) + ID / 2)
    if tower == "judge":
        return _times(_drawn(node, shelf), 4.0 * (sizes.classes or 0) + ID)
    each = 4.0 * sum(
        (one.width or 0) + (one.n_classes or 0)
        for one in TOWERS.values()
        if one.network == params["network"]
    )
    if params["of"] == "seen":
        shown = None if sizes.shown is None else sizes.shown.get(params["split"])
        return _times(shown if sizes.shown else sizes.of(split_of(node)), each + ID / 2)
    return _times(_drawn(node, shelf), each + ID)


def _drawn(node: Node, shelf: Shelf) -> int | None:
    """Return how many pictures were drawn of what a tower looks at."""
    made = shelf.made(node.inputs["generate"])
    assert made is not None
    n = shelf.sizes(made).of(split_of(made))
    return None if n is None else n * int(made.params["sample"].get("images_per_trial", 1))


def _encode(node: Node, sizes: Sizes, shape: tuple[int, int] | None) -> float | None:
    if sizes.selected is None or shape is None:
        return None
    numbers, answers = shape[0] * shape[1], sizes.classes or 0
    head = 4.0 * numbers * answers
    if "features" in node.inputs:  # similarities of the test trials with the test pictures
        answers, head = (sizes.shown or sizes.trials or {}).get("test", 0), 4.0 * numbers
        answered = float(sizes.of("test") or 0)
    else:
        answered = float(sizes.selected)
    return sizes.selected * (2.0 * numbers + ID) + 4.0 * answers * answered + head + ENCODER


def _condition(node: Node, numbers: int | None) -> float | None:
    if numbers is None:
        return None
    return 4.0 * numbers * (1 + len(node.params["train"]["snapshots"]))


def _generate(node: Node, sizes: Sizes) -> float | None:
    side, pictures = side_of(node.params["pipeline"]["params"]), pictures_of(node, sizes)
    if side is None or pictures is None:
        return None
    return pictures * (3.0 * side**2 + png_bytes(side))


def _times(count: int | None, each: float) -> float | None:
    return None if count is None else count * each
