# ruff: noqa: ARG001
"""Toy condition."""

from __future__ import annotations

from zoo.stages._lineage import Lineage


def run(inputs, params, out, context):
    assert ("encode" in inputs) == (params["control"] is None)
    (out / "log.csv").write_text(f"step,loss\n0,{params['seed']}\n")
    Lineage().write(out)
