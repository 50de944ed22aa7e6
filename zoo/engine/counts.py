"""What a plan has of trainings and of frozen networks, counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from zoo.engine.graph import Node, Plan

#: Stages that train.
TRAINS = ("encode", "condition")


def trainings(plan: Plan) -> dict[str, dict[str, int]]:
    """Return stage -> distinct, cached, to_run, and taken_over, which are none of those.

    Zero steps from ``init_from`` train nothing: such a node takes over the weights it starts from.
    """
    return {stage: _counted(plan, stage) for stage in TRAINS}


def towers(plan: Plan) -> dict[str, int]:
    """Return how many nodes each frozen network has; those of drawn pictures come with drawing."""
    names: Counter[str] = Counter()
    for node in plan.nodes.values():
        if node.stage == "features":
            names[_tower(node.params)] += 1
    return dict(names)


def takes_over(node: Node) -> bool:
    """Say whether a node of a stage that trains takes no step."""
    return bool(node.params["train"]["steps"] == 0)


def _counted(plan: Plan, stage: str) -> dict[str, int]:
    nodes = [node for node in plan.nodes.values() if node.stage == stage]
    states = [plan.states[node.key] for node in nodes if not takes_over(node)]
    cached = states.count("valid")
    return {
        "distinct": len(states),
        "cached": cached,
        "to_run": len(states) - cached,
        "taken_over": len(nodes) - len(states),
    }


def _tower(params: dict[str, Any]) -> str:
    if params["tower"] == "picture":
        return f"{params['network']} of {params['of']}"
    return str(params.get("name") or params["tower"])
