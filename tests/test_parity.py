"""Every metric equals the reference library, and docs/parity.md lists what was compared."""

import parity
import pytest

from zoo.registries import METRICS

#: Definitions of this project, which no library computes.
OURS = {"image_class_accuracy", "decoded_class_agreement", "copy_share", "text_gap"}


@pytest.mark.parametrize("case", parity.CASES, ids=lambda c: f"{c.metric}-{c.reference}")
def test_a_metric_equals_its_reference(case):
    n, difference = case.difference()
    assert n >= 1
    assert difference <= (0 if case.exact else parity.BOUND)


def test_every_metric_has_a_reference():
    compared = {case.metric.partition(" ")[0] for case in parity.CASES}
    assert len(compared) >= 15
    assert compared | OURS == set(METRICS.names())


def test_the_page_lists_every_case():
    page = parity.PAGE.read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len(parity.CASES)
    for case, row in zip(parity.CASES, rows, strict=True):
        assert case.reference in row
        shown = float(row.split("|")[-2])
        assert shown <= (0 if case.exact else parity.BOUND)
