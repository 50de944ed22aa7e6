"""Run folders made by hand, and the page that the report makes of them."""

import json
from html.parser import HTMLParser

from zoo.report import write_report

LEAKAGE = "Trials of a class lie in one block: <figures> may read the block."


def figure(value, **changes):
    """One figure as results.json holds it."""
    about = {"n": 30, "unit": "trial", "split": "test", "definition": "Share of test trials."}
    return {"value": value, "ci95": [value - 0.1, value + 0.05], "chance": 1 / 3} | about | changes


def entry(control, *, cell="cell", coords=None, value=0.8, notes=(), **changes):
    """One row of results.json."""
    metrics = {"image_class_accuracy": figure(value, selected_on="val")}
    if control is None:
        metrics = {"accuracy": figure(value + 0.1), **metrics}
    condition = "condition.class_label.csv" if control == "class_label" else "condition.csv"
    return {
        "id": cell,
        "coords": coords or {},
        "control": control,
        "seed": 0,
        "metrics": metrics,
        "logs": {"encode": f"logs/{cell}/encode.csv", "condition": f"logs/{cell}/{condition}"},
        "gallery": f"gallery/{cell}",
        "notes": [LEAKAGE, *notes],
        "timings": {"encode": 12.3},
        "failures": [],
    } | changes


def write(folder, entries, **changes):
    """Write results.json."""
    results = {
        "schema": 1,
        "recipe": "synthetic",
        "summary": "A made-up run",
        "scale": "pocket",
        "data": "simulated",
        "weights": "pocket",
        "stand_ins": ["data", "weights"],
        "cells": entries,
        "contribution": {},
    } | changes
    (folder / "results.json").write_text(json.dumps(results))


class Page(HTMLParser):
    """Collects what a reader sees, the tags left open and the addresses used."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, html):
        super().__init__()
        self.words, self.open, self.wrong = [], [], []
        self.links, self.images, self.titles = [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs["href"]] if "href" in attrs else []
        self.titles += [attrs["title"]] if "title" in attrs else []
        if tag == "img":
            self.images.append(attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def page(folder):
    path = write_report(folder)
    assert path == folder / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def alts(found, begin):
    """Return what is said of the pictures of a page, where it begins so."""
    return [image["alt"] for image in found.images if image["alt"].startswith(begin)]
