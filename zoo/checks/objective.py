"""What every objective with labels as target promises: a scalar loss that teaches, and logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.checks._case import Case, no_network

N_TOKENS, EMBED_DIM, N_OUTPUTS, BATCH = 3, 8, 5, 20


def build(case: Case, *, seed: int = 0) -> nn.Module:
    """Return the objective, its weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]), no_network():
        torch.manual_seed(seed)
        return case.cls(n_tokens=N_TOKENS, embed_dim=EMBED_DIM, n_outputs=N_OUTPUTS, **case.params)


def example() -> tuple[Tensor, Tensor]:
    """Return tokens (B, L, D) and labels (B,)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, N_TOKENS, EMBED_DIM, generator=generator), torch.arange(
        BATCH
    ) % N_OUTPUTS


def loss_is_a_finite_scalar(case: Case) -> None:
    """The loss is one finite number."""
    loss = build(case)(*example())
    assert loss.shape == (), loss.shape
    assert loss.isfinite()


def logits_have_one_column_per_class(case: Case) -> None:
    """`predict` gives (B, n_outputs), and with candidates their columns in that order."""
    objective, (tokens_BLD, _) = build(case), example()
    logits = objective.predict(tokens_BLD)
    assert logits.shape == (BATCH, N_OUTPUTS), logits.shape
    assert logits.isfinite().all()
    candidates = torch.tensor([3, 1])
    assert torch.equal(objective.predict(tokens_BLD, candidates), logits[:, [3, 1]])


def batch_equals_single(case: Case) -> None:
    """A trial's logits do not depend on the trials beside it."""
    objective, (tokens_BLD, _) = build(case).eval(), example()
    alone = torch.cat([objective.predict(tokens_BLD[i : i + 1]) for i in range(BATCH)])
    torch.testing.assert_close(objective.predict(tokens_BLD), alone, atol=1e-5, rtol=1e-5)


def gradients_reach_tokens_and_head(case: Case) -> None:
    """The loss teaches the encoder before it, and its own parameters."""
    objective, (tokens_BLD, label_B) = build(case), example()
    tokens_BLD.requires_grad_()
    objective(tokens_BLD, label_B).backward()
    assert tokens_BLD.grad is not None
    assert (tokens_BLD.grad.abs().amax((1, 2)) > 0).all(), "some trials teach nothing"
    dead = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead, f"no gradient reaches {dead}"


def training_makes_predictions_right(case: Case) -> None:
    """Lowering the loss on a few trials makes `predict` name their classes."""
    objective, (tokens_BLD, label_B) = build(case), example()
    optimiser = torch.optim.Adam(objective.parameters(), 0.05)
    for _ in range(100):
        optimiser.zero_grad()
        objective(tokens_BLD, label_B).backward()
        optimiser.step()
    right = int((objective.predict(tokens_BLD).argmax(1) == label_B).sum())
    assert right == BATCH, f"{right} of {BATCH} after 100 steps"


def same_seed_same_weights(case: Case) -> None:
    """Weights come from torch's generator alone."""
    one, same = build(case).state_dict(), build(case).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in one.items())


#: Every promise, in the order in which a newcomer should read them.
CHECKS: tuple[Callable[[Case], None], ...] = (
    loss_is_a_finite_scalar,
    logits_have_one_column_per_class,
    batch_equals_single,
    gradients_reach_tokens_and_head,
    training_makes_predictions_right,
    same_seed_same_weights,
)
