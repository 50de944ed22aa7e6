"""The leak probe's four looks at the trials, one subject after another.

Each asks for the class in a way in which a response to the picture cannot answer, and returns a
`Part`. Whether a part fires is decided over all of them together (`zoo.stages.probe`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from registry import UserError
from zoo.seeds import numpy_rng
from zoo.stages._probe_decoder import (
    Features,
    channel_means,
    course,
    decode,
    moments,
    predict,
    read_pooled,
)
from zoo.statistics import paired_difference, wilson

#: Draws of a permutation test.
PERMUTATIONS = 1999
#: Trials that a block must have to be divided into early and late.
SHORTEST_BLOCK = 4
#: Columns that together name a block, and a run.
BLOCK = ["subject", "session", "run", "block"]
RUN = ["subject", "session", "run"]


@dataclass
class Part:
    """What one look found.

    Parameters
    ----------
    name, asks : str
        Name in JSON; what is asked, for people.
    why_not : str or None
        Why it cannot be told, in which case there are no figures.
    accuracy, chance : float
        Share of the `n` tested trials whose label is named; the share that luck alone names.
    ci95 : (low, high)
        Wilson's interval of the accuracy.
    p : float or None
        One-sided; None where the figure cannot tell a leak from a response.
    facts : dict
        Further figures.
    """

    name: str
    asks: str
    why_not: str | None = None
    accuracy: float | None = None
    chance: float | None = None
    n: int = 0
    ci95: tuple[float, float] | None = None
    p: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """Trials to look at.

    Parameters
    ----------
    eeg_PCT : array, memory-mapped
        All prepared trials.
    table : DataFrame
        One row per selected trial: ``row`` in `eeg_PCT`, ``split``, ``label`` (the true one) and
        what names its place in the recording.
    """

    eeg_PCT: np.ndarray
    table: pd.DataFrame

    def groups(self, mask_N: np.ndarray) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
        """Yield the chosen trials of each subject: their table and (n, C, T)."""
        for _, rows in self.table[mask_N].groupby("subject", sort=True):
            rows = rows.reset_index(drop=True)
            yield rows, self.read(rows)

    def read(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the trials of `rows`, (n, C, T); a `UserError` where one holds no numbers."""
        trials_NCT = read_pooled(self.eeg_PCT, rows.row.to_numpy())
        bad = rows.trial_id[~np.isfinite(trials_NCT).all(axis=(1, 2))].tolist()
        if bad:
            others = f" and {len(bad) - 1} others" if len(bad) > 1 else ""
            raise UserError(
                f"trial {bad[0]}{others} hold(s) NaN or infinite EEG values; repair or leave out "
                "these trials"
            )
        return trials_NCT


def class_before(material: Material, asks: str, seed: int) -> Part:
    """Decode the class from an interval that no response can have reached, by the recipe's split.

    From second moments alone: a filter without phase shift carries a little of the response ahead
    of the picture, locked to it; that would show in means.
    """
    return _by_split(Part("before", asks), material, moments, seed)


def class_from_means(material: Material, seed: int) -> Part:
    """Decode the class from one number a channel, by the recipe's split."""
    part = Part("channel_means", "the class, from channel means alone")
    return _by_split(part, material, channel_means, seed)


def early_and_late(material: Material, seed: int) -> Part:
    """Decode late trials of a block from its early ones and the reverse, against interleaved."""
    part = Part(
        "early_late", "the class, from interleaved trials of the block against its other half"
    )
    table = material.table
    block = table.groupby(BLOCK, sort=False).onset
    if (block.transform("nunique") < 2).all():
        part.why_not = "the data do not say when in its block a trial was shown"
        return part
    place = block.rank(method="first").to_numpy().astype(int) - 1
    even = block.transform("size").to_numpy() // 2 * 2
    usable = (place < even) & (even >= SHORTEST_BLOCK)
    if not usable.any():
        part.why_not = f"no block has {SHORTEST_BLOCK} trials"
        return part
    divided = Material(
        material.eeg_PCT,
        table.assign(late=place >= even // 2, odd=place % 2 == 1),
    )
    hits: dict[str, list[np.ndarray]] = {"late": [], "odd": []}
    blocks, lucky = [], []
    for rows, trials_NCT in divided.groups(usable):
        label = rows.label.to_numpy()
        blocks.append(_named(rows, BLOCK))
        for by, found in hits.items():
            named = _both_ways(course, trials_NCT, label, rows[by].to_numpy())
            found.append(named == label)
            if by == "odd":
                lucky.append(_agreement(named, label) * len(rows))
    near, far = np.concatenate(hits["odd"]), np.concatenate(hits["late"])
    clusters = np.concatenate(blocks)
    gap = paired_difference(near, far, clusters=clusters, seed=seed)
    _figures(part, near, sum(lucky) / len(near))
    part.p = gap.p / 2 if gap.value > 0 else 1 - gap.p / 2
    part.facts = {
        "early_late": float(far.mean()),
        "gap": gap.value,
        "gap_ci95": gap.ci95,
        "blocks": gap.n_clusters,
        "smallest_p": 0.5**gap.n_clusters,
    }
    return part


def permuted_blocks(material: Material, seed: int) -> Part:
    """Give whole blocks labels by a permutation and decode those, interleaved within blocks.

    Each further block of a class takes the next label in a seeded order of the classes, and means
    of class and of run are taken off the features. A trial's label is sought among those of its
    class's blocks, and p is over permutations within the class: who knows the class, which a
    response tells, knows nothing of the answer.
    """
    part = Part(
        "permuted_blocks", "the block, among those of its class: labels given to whole blocks"
    )
    table = material.table
    block_N = table.groupby(BLOCK, sort=False).ngroup().to_numpy()
    blocks = table.assign(id=block_N).sort_values([*RUN, "onset"]).drop_duplicates("id")
    if table.groupby(block_N).label.nunique().max() > 1:
        part.why_not = "blocks hold several classes each"
        return part
    if len(blocks) == len(blocks.drop_duplicates(["subject", "label"])):
        part.why_not = "one block a class: class and block are the same thing"
        return part
    design = pd.concat([pd.get_dummies(_named(blocks, [*one])) for one in (_CLASS, RUN)], axis=1)
    if np.linalg.matrix_rank(design.to_numpy(float)) == len(blocks):
        part.why_not = "every block is the only one of its class and run: they are the same thing"
        return part
    label_of = dict(zip(blocks.id, _laid_out(blocks, seed), strict=True))
    place = table.groupby(BLOCK, sort=False).onset.rank(method="first").to_numpy()
    divided = Material(
        material.eeg_PCT,
        table.assign(given=[label_of[one] for one in block_N], odd=place % 2 == 1),
    )
    divisible_N = table.groupby(block_N).label.transform("size").to_numpy() > 1
    if not divisible_N.any():
        part.why_not = "every block holds a single trial"
        return part
    several_N = table.assign(id=block_N)[divisible_N].groupby(_CLASS).id.transform("nunique") > 1
    divisible_N[divisible_N] = several_N
    if not divisible_N.any():
        part.why_not = "no class has two blocks of several trials"
        return part
    named, true, who = [], [], []
    for rows, trials_NCT in divided.groups(divisible_N):
        given, train = rows.given.to_numpy(), ~rows.odd.to_numpy()
        features = _without(course, _design(rows))
        labels_K, scores_MK = decode(features, trials_NCT, given, train)
        held = pd.crosstab(rows.label, rows.given).reindex(columns=labels_K, fill_value=0) > 0
        held_MK = held.loc[rows.label[~train]].to_numpy()
        named.append(labels_K[np.where(held_MK, scores_MK, -np.inf).argmax(axis=1)])
        true.append(given[~train])
        who.append(_named(rows, _CLASS)[~train])
    _judge(part, np.concatenate(named), np.concatenate(true), np.concatenate(who), seed)
    part.facts["blocks"] = len(blocks)
    return part


_CLASS = ["subject", "label"]


def _by_split(
    part: Part,
    material: Material,
    features: Features,
    seed: int,
) -> Part:
    """Train on the training trials and test on the test trials, in each subject that has both."""
    table = material.table
    chosen = table.split.isin(["train", "test"]).to_numpy(copy=True)
    both = table[chosen].groupby("subject").split.transform("nunique") == 2
    if both.any():
        chosen[chosen] = both.to_numpy()
        parts = material.groups(chosen)
    else:  # whole subjects are held out
        rows = table[chosen].reset_index(drop=True)
        parts = iter([(rows, material.read(rows))])
    named, true, who = [], [], []
    for rows, trials_NCT in parts:
        train, label = (rows.split == "train").to_numpy(), rows.label.to_numpy()
        if len(np.unique(label[train])) < 2 or not np.isin(label[~train], label[train]).any():
            continue
        named.append(predict(features, trials_NCT, label, train))
        true.append(label[~train])
        who.append(rows.subject.to_numpy()[~train])
    if not named:
        part.why_not = "no class of the test occurs in training"
        return part
    _judge(part, np.concatenate(named), np.concatenate(true), np.concatenate(who), seed)
    return part


def _judge(
    part: Part, named_N: np.ndarray, true_N: np.ndarray, within_N: np.ndarray, seed: int
) -> None:
    """Fill in accuracy, chance and p, against true labels permuted `within` groups.

    No p is below one over the number of different orders: a test of one class has a single one.
    """
    rng = numpy_rng(seed, "probe", part.name)
    hits, drawn, lucky, orders = named_N == true_N, np.zeros(PERMUTATIONS), 0.0, 0.0
    for one in np.unique(within_N):
        mine = np.flatnonzero(within_N == one)
        named, true = named_N[mine], true_N[mine]
        lucky += _agreement(named, true) * len(mine)
        orders += math.lgamma(len(true) + 1)
        orders -= sum(math.lgamma(n + 1) for n in np.unique_counts(true).counts)
        drawn += [(named == rng.permutation(true)).sum() for _ in range(PERMUTATIONS)]
    _figures(part, hits, lucky / len(hits))
    part.p = float(((drawn >= hits.sum()).sum() + 1) / (PERMUTATIONS + 1))
    part.facts["smallest_p"] = max(math.exp(-orders), 1 / (PERMUTATIONS + 1))


def _figures(part: Part, hits_N: np.ndarray, chance: float) -> None:
    part.accuracy, part.chance, part.n = float(hits_N.mean()), float(chance), len(hits_N)
    part.ci95 = wilson(float(hits_N.sum()), len(hits_N))


def _agreement(named_N: np.ndarray, true_N: np.ndarray) -> float:
    """Return the mean share of hits over all permutations of the labels."""
    labels = np.union1d(named_N, true_N)
    shares = [(one == labels[:, None]).mean(axis=1) for one in (named_N, true_N)]
    return float(shares[0] @ shares[1])


def _both_ways(
    features: Features,
    trials_NCT: np.ndarray,
    label_N: np.ndarray,
    half_N: np.ndarray,
) -> np.ndarray:
    """Return the label decoded for each trial by training on the other half."""
    named_N = np.empty_like(label_N)
    for train in (half_N, ~half_N):
        named_N[~train] = predict(features, trials_NCT, label_N, train)
    return named_N


def _laid_out(blocks: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the label of each block: the n-th of its class takes the n-th next in the order."""
    classes = np.unique(blocks.label)
    order = numpy_rng(seed, "probe", "labels of blocks").permutation(len(classes))
    at = order[np.searchsorted(classes, blocks.label)]
    earlier = blocks.groupby(_CLASS).cumcount().to_numpy()
    return (at + earlier) % len(classes)


def _design(rows: pd.DataFrame) -> np.ndarray:
    """Return dummies of class and run, (N, D)."""
    parts = [pd.get_dummies(_named(rows, columns)) for columns in (_CLASS, RUN)]
    return np.concatenate([part.to_numpy(np.float64) for part in parts], axis=1)


def _without(features: Features, design_ND: np.ndarray) -> Features:
    """Return `features` less what the design explains, of training and of test trials apart.

    Effects of the training trials taken off the test would shift all trials of a block alike, and
    hits within a block would not be independent.
    """

    def residual(trials_NCT: np.ndarray, train_N: np.ndarray) -> np.ndarray:
        left_NF = features(trials_NCT, train_N)
        for half_N in (train_N, ~train_N):
            effects_DF, *_ = np.linalg.lstsq(design_ND[half_N], left_NF[half_N], rcond=None)
            left_NF[half_N] -= design_ND[half_N] @ effects_DF
        return left_NF

    return residual


def _named(rows: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Return one text per row that names its unit."""
    return rows[columns].astype(str).agg("\x1f".join, axis=1).to_numpy(dtype=str)
