"""What the leak probe's figures mean, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.stages._probe_parts import Part

#: Verdicts.
FIRES, QUIET, UNTOLD = "fires", "quiet", "cannot be told"
#: Above chance, which a response can be, too.
OPEN = "open"
#: Blocks are recognised, and none is on both sides of the split.
HELD_OUT = "held out"

_MEANS = {
    (
        "before",
        FIRES,
    ): "the class is known before a response: from drift that belongs to the block, "
    "from what lingers of the picture before, or from what a filter carries ahead",
    ("before", QUIET): "before a response nothing says which class is shown",
    ("channel_means", OPEN): "the means say something of the class; a response can move them as "
    "well as drift can, so this alone settles nothing",
    ("channel_means", QUIET): "the offsets of the channels do not say which class is shown",
    (
        "early_late",
        FIRES,
    ): "trials decode those next to them better than those of the block's other "
    "half: nearness in time decodes, or the response changes within a block",
    ("early_late", HELD_OUT): "nearness in time decodes, but this split takes whole blocks apart",
    (
        "early_late",
        QUIET,
    ): "nearness within a block gains nothing; drift that keeps its pattern for "
    "a whole block is not seen here",
    ("permuted_blocks", FIRES): "blocks are recognised, which no response explains: a split "
    "that has trials of a block on both sides can be answered from that",
    ("permuted_blocks", HELD_OUT): "blocks are recognised, but this split takes whole blocks apart",
    ("permuted_blocks", QUIET): "blocks of a class are not told apart",
}
_LEAK = {
    "before": "{asks}, is decoded",
    "early_late": "neighbours in time decode each other better than the rest of their block does",
    "permuted_blocks": "blocks are told apart within their class",
}


def meaning(part: Part, verdict: str) -> str:
    """Return what a part's verdict means."""
    if part.why_not is not None:
        return part.why_not
    if verdict == UNTOLD:
        few = "trials to test on are too few, or too few of them of another class, for a test"
        if part.name == "early_late":
            few = f"{part.facts['blocks']} blocks are too few for a test"
        return f"{few} (its smallest p is {part.facts['smallest_p']:.2g})"
    return _MEANS[part.name, verdict]


def sentence(parts: list[dict[str, Any]]) -> str:
    """Return the one sentence that the parts come to.

    Only what is looked for before a response, or in blocks of permuted labels, can show that
    nothing leaks: the other two do not see drift that keeps its pattern through a block.
    """
    found = {part["name"]: part for part in parts}
    firing = [part for part in parts if part["verdict"] == FIRES]
    if firing:
        return "leaks: " + "; ".join(_clause(part) for part in firing)
    decisive = [found["before"], found["permuted_blocks"]]
    if all(part["verdict"] == UNTOLD for part in decisive):
        why = "; ".join(part["means"] for part in decisive)
        return f"cannot be told from these data: {why}"
    looked = [part for part in decisive if part["verdict"] != UNTOLD]
    figures = "; ".join(_looked(part) for part in looked)
    return f"no leak found by these probes (that is no proof): {figures}"


def _clause(part: dict[str, Any]) -> str:
    said = _LEAK[part["name"]].format(asks=part["asks"])
    return f"{said} ({_figure(part)})"


def _looked(part: dict[str, Any]) -> str:
    if part["verdict"] == HELD_OUT:
        return f"{_clause(part)}, but this split takes whole blocks apart"
    return f"{part['asks']}: {_figure(part)}, up to {part['ci95'][1]:.3f} not excluded"


def _figure(part: dict[str, Any]) -> str:
    if part["name"] == "early_late":
        return f"{part['accuracy']:.3f} against {part['early_late']:.3f}, n = {part['n']}"
    return f"{part['accuracy']:.3f}, chance {part['chance']:.3f}, n = {part['n']}"
