"""What every objective promises: a scalar loss that teaches, and a score for each answer.

With labels as target the answers are classes; with image features they are pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.checks._case import Case, no_network

N_TOKENS, EMBED_DIM, N_OUTPUTS, TARGET_WIDTH, BATCH = 3, 8, 5, 6, 20
#: What a mark may give as ``target``.
TARGETS = ("label", "image")


def build(case: Case, *, seed: int = 0) -> nn.Module:
    """Return the objective, its weights drawn from `seed`."""
    takes = {parameter.name for parameter in case.spec.parameters}
    supplied = {"n_outputs": N_OUTPUTS, "target_width": TARGET_WIDTH}
    given = {name: value for name, value in supplied.items() if name in takes}
    with torch.random.fork_rng(devices=[]), no_network():
        torch.manual_seed(seed)
        return case.cls(n_tokens=N_TOKENS, embed_dim=EMBED_DIM, **given, **case.params)


def example(case: Case) -> tuple[Tensor, Tensor]:
    """Return tokens (B, L, D) and their target: labels (B,), or features (B, TARGET_WIDTH)."""
    generator = torch.Generator().manual_seed(0)
    tokens_BLD = torch.randn(BATCH, N_TOKENS, EMBED_DIM, generator=generator)
    if of_images(case):
        return tokens_BLD, torch.randn(BATCH, TARGET_WIDTH, generator=generator)
    return tokens_BLD, torch.arange(BATCH) % N_OUTPUTS


def of_images(case: Case) -> bool:
    """Return whether the target is a picture's features rather than a label."""
    return case.spec.meta.get("target") == "image"


def scores(case: Case, objective: nn.Module, tokens_BLD: Tensor) -> Tensor:
    """Return the score of every class, or of every picture of the example."""
    return objective.predict(tokens_BLD, example(case)[1] if of_images(case) else None)


def target_is_known(case: Case) -> None:
    """The mark says what the loss compares tokens with: ``label`` or ``image``."""
    assert case.spec.meta.get("target") in TARGETS, f"target must be one of {TARGETS}"


def loss_is_a_finite_scalar(case: Case) -> None:
    """The loss is one finite number."""
    loss = build(case)(*example(case))
    assert loss.shape == (), loss.shape
    assert loss.isfinite()


def scores_have_one_column_per_answer(case: Case) -> None:
    """`predict` gives one column for each class or candidate picture, in the order asked for."""
    objective, (tokens_BLD, target) = build(case), example(case)
    logits = scores(case, objective, tokens_BLD)
    assert logits.shape == (BATCH, BATCH if of_images(case) else N_OUTPUTS), logits.shape
    assert logits.isfinite().all()
    chosen = torch.tensor([3, 1])
    fewer = objective.predict(tokens_BLD, target[chosen] if of_images(case) else chosen)
    torch.testing.assert_close(fewer, logits[:, [3, 1]])


def batch_equals_single(case: Case) -> None:
    """A trial's logits do not depend on the trials beside it."""
    objective, (tokens_BLD, _) = build(case).eval(), example(case)
    alone = [scores(case, objective, tokens_BLD[i : i + 1]) for i in range(BATCH)]
    together = scores(case, objective, tokens_BLD)
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)


def gradients_reach_tokens_and_head(case: Case) -> None:
    """The loss teaches the encoder before it, and its own parameters."""
    objective, (tokens_BLD, target) = build(case), example(case)
    tokens_BLD.requires_grad_()
    objective(tokens_BLD, target).backward()
    assert tokens_BLD.grad is not None
    assert (tokens_BLD.grad.abs().amax((1, 2)) > 0).all(), "some trials teach nothing"
    dead = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead, f"no gradient reaches {dead}"


def training_makes_predictions_right(case: Case) -> None:
    """Lowering the loss on a few trials makes `predict` name their classes or pictures."""
    objective, (tokens_BLD, target) = build(case), example(case)
    optimiser = torch.optim.Adam(objective.parameters(), 0.05)
    for _ in range(100):
        optimiser.zero_grad()
        objective(tokens_BLD, target).backward()
        optimiser.step()
    own = torch.arange(BATCH) if of_images(case) else target
    right = int((scores(case, objective, tokens_BLD).argmax(1) == own).sum())
    assert right == BATCH, f"{right} of {BATCH} after 100 steps"


def same_seed_same_weights(case: Case) -> None:
    """Weights come from torch's generator alone."""
    one, same = build(case).state_dict(), build(case).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in one.items())


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Case], None], ...] = (
    target_is_known,
    loss_is_a_finite_scalar,
    scores_have_one_column_per_answer,
    batch_equals_single,
    gradients_reach_tokens_and_head,
    training_makes_predictions_right,
    same_seed_same_weights,
)
