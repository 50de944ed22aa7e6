"""Objectives: the contract battery over all of them; classify against plain cross-entropy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from zoo.checks import promises
from zoo.objectives.classify import Classify

PROMISES = promises("objective")


@pytest.mark.parametrize("promise", [pytest.param(p, id=i) for i, p in PROMISES])
def test_promise(promise: Callable[[], None]):
    promise()


def test_the_battery_covers_every_objective():
    assert "objective-classify-loss_is_a_finite_scalar" in [i for i, _ in PROMISES]


def test_classify_is_cross_entropy_with_smoothing():
    tokens_BLD = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0))
    label_B = torch.tensor([0, 1, 2, 3, 0, 1])
    plain = Classify(n_tokens=2, embed_dim=3, n_outputs=4)
    smooth = Classify(n_tokens=2, embed_dim=3, n_outputs=4, label_smoothing=0.2)
    smooth.load_state_dict(plain.state_dict())
    log_BK = plain.predict(tokens_BLD).log_softmax(1)
    expected = -log_BK[torch.arange(6), label_B].mean()
    torch.testing.assert_close(plain(tokens_BLD, label_B), expected)
    torch.testing.assert_close(smooth(tokens_BLD, label_B), 0.8 * expected - 0.2 * log_BK.mean())
