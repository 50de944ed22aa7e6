"""The leak probe: fires where a block betrays its class, keeps quiet where only responses do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import cli
import zoo.probe
from registry import UserError
from zoo.contracts import DataError
from zoo.datasets.pocket import Pocket
from zoo.engine.plan import plan as make_plan
from zoo.engine.probing import plan_data, sentence_of, stored_probe
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.probe import Probe, probe
from zoo.probe.report import probe_text
from zoo.recipe import load_recipe
from zoo.seeds import numpy_rng
from zoo.stages._probe_decoder import course, decode, moments, predict, read_pooled
from zoo.stages._probe_parts import (
    Material,
    _agreement,
    _laid_out,
    class_before,
    early_and_late,
    permuted_blocks,
)
from zoo.stages.probe import verdict_of
from zoo.stages.select import read_table

ROOT = Path(__file__).resolve().parent.parent
SMALL = ("n_classes=6", "images_per_class=60", "subjects=[1]")
BLOCKS = ("n_classes=6", "images_per_class=120", "subjects=[1]")
TWO_BLOCKS = (*BLOCKS, "blocks_per_class=2")


def recipe(*params: str, grid: tuple[str, ...] = ()):
    changed = [f"dataset.params.{one}" for one in params]
    return load_recipe("paper", overrides=[*changed, *grid], for_run=True)


def probed(store: Store, *params: str) -> Probe:
    return probe(recipe(*params), store=store, say=lambda _: None)


def parts(found: Probe) -> dict[str, dict]:
    return {part["name"]: part for part in found.findings[0].report["parts"]}


def verdicts(found: Probe) -> dict[str, str]:
    return {name: part["verdict"] for name, part in parts(found).items()}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


# ---- on the simulator, with drift and without


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("band", ["[1,70]", "null"])
def test_it_fires_with_drift_and_not_without(store: Store, seed: int, band: str) -> None:
    with_drift = probed(store, *SMALL, f"band={band}", f"seed={seed}", "drift=1")
    without = probed(store, *SMALL, f"band={band}", f"seed={seed}", "drift=0")
    assert verdicts(with_drift)["before"] == "fires"
    assert with_drift.leaks
    assert with_drift.sentence.startswith(
        "leaks: the class, from -0.2 to 0 s, before the picture, is decoded"
    )
    assert "fires" not in verdicts(without).values()
    assert without.sentence.startswith("no leak found by these probes (that is no proof): ")
    assert not without.leaks


def test_the_band_decides_and_not_the_eeg(store: Store) -> None:
    """The paper's lesson: "1-70 Hz is much better than 5-95 Hz", where it is drift that decodes."""
    accuracy, fires = {}, {}
    for band in ("[1,70]", "[5,95]"):
        for drift in (0, 1):
            given = (*SMALL, f"band={band}", f"drift={drift}", "snr=0.1")
            found = probed(store, *given)
            accuracy[band, drift] = parts(found)["early_late"]["accuracy"]
            fires[band, drift] = parts(found)["before"]["verdict"] == "fires"
    assert accuracy["[1,70]", 1] > accuracy["[5,95]", 1] + 0.6
    assert accuracy["[1,70]", 0] < accuracy["[5,95]", 0] + 0.1
    assert fires == {
        ("[1,70]", 0): False, ("[1,70]", 1): True, ("[5,95]", 0): False, ("[5,95]", 1): False,
    }  # fmt: skip


def test_a_strong_response_is_no_leak(store: Store) -> None:
    """A filter without phase shift carries it ahead of the picture, and it moves the means."""
    found = probed(store, *SMALL, "band=[5,95]", "snr=2")
    assert verdicts(found)["channel_means"] == "open"
    assert "settles nothing" in parts(found)["channel_means"]["means"]
    assert verdicts(found)["before"] == "quiet"
    assert not found.leaks


def test_blocks_are_recognised_whatever_their_class(store: Store) -> None:
    found = probed(store, *TWO_BLOCKS, "band=[1,70]", "drift=1")
    assert verdicts(found)["permuted_blocks"] == "fires"
    assert parts(found)["permuted_blocks"]["accuracy"] > 0.8
    assert parts(found)["permuted_blocks"]["chance"] == pytest.approx(0.5, abs=0.02)
    assert "blocks are told apart within their class" in found.sentence
    strong = probed(store, *TWO_BLOCKS, "band=[1,70]", "drift=0", "snr=2")
    assert verdicts(strong)["permuted_blocks"] == "quiet"
    assert parts(strong)["early_late"]["accuracy"] > 0.9  # classes are told, blocks are not
    one = probed(store, *SMALL, "band=[1,70]", "drift=1")
    assert verdicts(one)["permuted_blocks"] == "cannot be told"
    assert "class and block are the same thing" in parts(one)["permuted_blocks"]["means"]


def test_a_split_that_holds_blocks_out_does_not_leak(store: Store) -> None:
    split = "split={by: run, test: ['3'], val: []}"
    given = (*BLOCKS, "blocks_per_class=3", "band=[1,70]", "drift=1")
    found = probed(store, *given, split)
    assert found.findings[0].report["shared_blocks"] == 0
    assert verdicts(found)["permuted_blocks"] == "held out"
    assert verdicts(found)["before"] == "quiet"
    assert not found.leaks
    assert "blocks are told apart within their class" in found.sentence
    assert found.sentence.endswith("but this split takes whole blocks apart")


def test_a_test_of_one_class_is_no_test(store: Store) -> None:
    """Its labels have one order only: p is 1 whatever the decoder says."""
    found = probed(store, *SMALL, "band=[1,70]", "drift=1", "blocks_per_class=2", ONE_BLOCK)
    before = parts(found)["before"]
    assert (before["verdict"], before["smallest_p"]) == ("cannot be told", 1.0)
    assert "too few of them of another class" in before["means"]
    assert "before the picture:" not in found.sentence


ONE_BLOCK = "split={by: block, test: ['2'], val: []}"


# ---- false alarms


def trials(rng, label, *, drift=0.0, n_chans=6, n_times=24, onset=None) -> Material:
    """Noise; with `drift`, channel offsets that walk from one trial to the next."""
    n = len(label)
    eeg = rng.standard_normal((n, n_chans, n_times)).astype(np.float32)
    if drift:
        eeg += drift * np.cumsum(rng.standard_normal((n, n_chans, 1)), axis=0).astype(np.float32)
    table = pd.DataFrame(
        {
            "row": np.arange(n), "subject": 0, "session": "1", "run": "1", "block": label,
            "onset": np.arange(n) * 0.7 if onset is None else onset, "label": label,
            "split": np.where(np.arange(n) % 3 == 0, "test", "train"),
            "trial_id": np.arange(n).astype(str),
        }
    )  # fmt: skip
    return Material(eeg, table)


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Over noise, p is below 0.05 in about one of twenty, for the share and for the gap."""
    label = np.repeat(np.arange(4), 24)
    before, gap = [], []
    for seed in range(100):
        material = trials(numpy_rng(seed, "noise"), label)
        before.append(class_before(material, "", seed).p)
        gap.append(early_and_late(material, seed).p)
    assert np.mean(np.array(before) <= 0.05) <= 0.12  # 12 of 100 at a rate of 0.05: p < 0.005
    assert np.mean(np.array(gap) <= 0.05) <= 0.12
    assert 0.35 < np.mean(before) < 0.65


def test_class_and_run_are_no_blocks() -> None:
    """Whoever knows the class (here by how much it varies) and the run knows nothing more."""
    label = np.tile(np.repeat(np.arange(4), 10), 2)
    p = []
    for seed in range(60):
        rng = numpy_rng(seed, "noise")
        material = trials(rng, label)
        material.eeg_PCT[np.arange(80), label] *= np.exp(rng.standard_normal((80, 1)))
        material.eeg_PCT[40:] += 1.0
        material.table["run"] = np.repeat(["1", "2"], 40)
        p.append(permuted_blocks(material, seed).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.15
    assert 0.35 < np.mean(p) < 0.65


def test_strong_classes_do_not_hide_blocks() -> None:
    rng, label = numpy_rng(1, "strong"), np.tile(np.repeat(np.arange(6), 20), 2)
    material = trials(rng, label)
    material.table["run"] = np.repeat(["1", "2"], 120)
    classes, blocks = rng.standard_normal((6, 6, 1)), rng.standard_normal((12, 6, 1))
    material.eeg_PCT[:] += 8 * classes[label] + 0.15 * blocks[np.repeat(np.arange(12), 20)]
    part = permuted_blocks(material, 0)
    assert verdict_of(part, 1.0) == "fires"
    assert part.chance == pytest.approx(0.5, abs=0.02)


def test_chance_is_the_mean_over_permutations() -> None:
    rng = numpy_rng(0, "chance")
    named, true = rng.integers(0, 4, 90), rng.choice(5, 90, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    drawn = [(named == rng.permutation(true)).mean() for _ in range(4000)]
    assert _agreement(named, true) == pytest.approx(np.mean(drawn), abs=0.003)


# ---- the parts


def test_nearness_in_time_is_told_from_class() -> None:
    label = np.repeat(np.arange(12), 20)
    walking = early_and_late(trials(numpy_rng(0, "walk"), label, drift=0.6), 0)
    assert verdict_of(walking, 1.0) == "fires"
    assert walking.accuracy > walking.facts["early_late"] + 0.2
    assert verdict_of(walking, 0.0) == "held out"
    steady = trials(numpy_rng(0, "walk"), label)
    pattern = 0.5 * numpy_rng(1, "pattern").standard_normal((12, 6, 1)).astype(np.float32)
    steady.eeg_PCT[:] += pattern[label]
    part = early_and_late(steady, 0)
    assert part.accuracy > 0.5
    assert verdict_of(part, 1.0) == "quiet"


def test_what_cannot_be_told_is_not_told() -> None:
    rng, label = numpy_rng(0, "walk"), np.repeat(np.arange(12), 20)
    no_times = early_and_late(trials(rng, label, drift=0.6, onset=0.0), 0)
    assert no_times.why_not == "the data do not say when in its block a trial was shown"
    assert no_times.accuracy is None
    few = early_and_late(trials(rng, label[:100], drift=0.6), 0)
    assert few.facts["blocks"] == 5
    assert verdict_of(few, 1.0) == "cannot be told"
    mixed = trials(rng, label)
    mixed.table["block"] = 0
    assert permuted_blocks(mixed, 0).why_not == "blocks hold several classes each"
    unseen = trials(rng, label)
    unseen.table["split"] = np.where(label < 6, "train", "test")
    assert class_before(unseen, "", 0).why_not == "no class of the test occurs in training"


def test_the_smallest_p_is_one_over_the_orders_of_the_labels() -> None:
    material = trials(numpy_rng(0, "few"), np.repeat(np.arange(2), 24))
    material.table["split"] = np.where(material.table.row.isin([0, 1, 47]), "test", "train")
    part = class_before(material, "", 0)
    assert part.facts["smallest_p"] == pytest.approx(1 / 3)
    assert verdict_of(part, 1.0) == "cannot be told"


def test_a_block_of_one_trial_cannot_be_divided() -> None:
    material = trials(numpy_rng(0, "single"), np.repeat(np.arange(4), 24))
    material.table["block"], material.table["run"] = np.arange(96), np.arange(96) % 2
    assert permuted_blocks(material, 0).why_not == "every block holds a single trial"
    material.table.loc[[0, 2], "block"] = 0
    found = permuted_blocks(material, 0)
    assert found.why_not == "no class has two blocks of several trials"


def test_eeg_that_is_no_number_is_named() -> None:
    material = trials(numpy_rng(0, "nan"), np.repeat(np.arange(4), 24))
    material.eeg_PCT[[3, 7], 1, 4] = np.nan
    with pytest.raises(UserError, match=r"^trial 3 and 1 others hold\(s\) NaN or infinite EEG"):
        class_before(material, "", 0)


def test_labels_of_blocks_say_neither_class_nor_run() -> None:
    blocks = pd.DataFrame({"subject": 0, "run": np.repeat([1, 2, 3], 5)})
    blocks["label"] = np.concatenate([numpy_rng(r, "order").permutation(5) for r in range(3)])
    blocks["given"] = _laid_out(blocks, 0)
    assert blocks.groupby("run").given.nunique().eq(5).all()
    assert blocks.groupby("label").given.nunique().eq(3).all()
    assert not np.array_equal(blocks.given, _laid_out(blocks, 1))


@pytest.mark.parametrize("features", [course, moments])
def test_nothing_is_learned_from_what_is_decoded(features) -> None:
    rng = numpy_rng(0, "apart")
    label = np.tile(np.arange(3), 40)
    eeg = rng.standard_normal((120, 5, 20)).astype(np.float32)
    eeg[:, 0] += label[:, None]
    train = np.arange(120) < 80
    named, scores = decode(features, eeg, label, train)
    assert (named[scores.argmax(axis=1)] == label[80:]).mean() > 0.5
    changed = eeg.copy()
    changed[81:] = 1e3 * rng.standard_normal(changed[81:].shape)
    relabelled = np.where(train, label, 0)
    again = decode(features, changed, relabelled, train)[1]
    assert np.allclose(again[0], scores[0], rtol=1e-3, atol=1e-3)


def test_dead_channels_and_single_trials_are_borne() -> None:
    rng = numpy_rng(0, "dead")
    eeg = rng.standard_normal((30, 5, 20)).astype(np.float32)
    eeg[:, 2] = 7.0
    for flat in (eeg, np.ones_like(eeg)):
        named = predict(course, flat, np.arange(30) % 15, np.arange(30) < 15)
        assert len(named) == 15


def test_long_trials_are_read_in_blocks(tmp_path: Path) -> None:
    eeg = numpy_rng(0, "long").standard_normal((600, 3, 135)).astype(np.float32)
    np.save(tmp_path / "eeg.npy", eeg)
    rows = np.arange(599, 10, -1)
    found = read_pooled(np.load(tmp_path / "eeg.npy", mmap_mode="r"), rows)
    assert found.shape == (len(rows), 3, 45)
    assert np.allclose(found[:, :, 1], eeg[rows, :, 3:6].mean(axis=2), atol=1e-6)


# ---- through the engine, from Python and from the command line


def test_a_data_set_that_begins_with_the_picture(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(zoo.probe, "INTERVALS", ((-0.9, -0.7), (0.0, 0.04)))
    given = recipe(*SMALL, "band=[1,70]", "drift=1")
    found = probe(given, store=store, say=said.append)
    before = parts(found)["before"]
    assert before["asks"] == "the class, from 0 to 0.04 s, before a response can reach the cortex"
    assert before["verdict"] == "fires"
    assert any("the pocket data reach from -0.5" in line for line in said)
    monkeypatch.setattr(zoo.probe, "INTERVALS", ((-0.9, -0.7),))
    untold = probe(recipe(*SMALL, "drift=0"), store=store, say=said.append)
    assert verdicts(untold)["before"] == "cannot be told"
    assert untold.sentence.startswith("cannot be told from these data: the data hold no time ")
    assert untold.sentence.endswith("one block a class: class and block are the same thing")


def test_each_data_set_once_and_found_again(store: Store) -> None:
    axes = ("grid.encoder=[eegnet, nice]", "grid.dataset.params.subjects=[[1], [2]]")
    given = recipe("n_classes=3", "images_per_class=24", grid=axes)
    assert len(given.cells) == 4
    roots = Roots.resolve()
    _, keys = plan_data(given.cells[0], roots, store)
    assert sentence_of(store, **keys) is None
    said: list[str] = []
    found = probe(given, store=store, say=said.append)
    assert len(found.findings) == 2
    assert sorted(len(one.cells) for one in found.findings) == [2, 2]
    assert sum("probe pocket" in line for line in said) == 2
    said.clear()
    assert probe(given, store=store, say=said.append) == found
    assert said == []
    for cell in make_plan(given, roots, store).cells:
        mine = next(one for one in found.findings if cell.cell.id in one.cells)
        assert sentence_of(store, cell.prepare, cell.select) == mine.sentence
        stored = stored_probe(store, cell.prepare, cell.select)
        assert stored is not None
        assert stored["parts"][0]["n"] > 0


def test_the_last_line_is_about_all_data_sets(store: Store) -> None:
    axes = ("grid.dataset.params.drift=[1, 0]",)
    found = probe(recipe(*SMALL, "band=[1,70]", grid=axes), store=store, say=lambda _: None)
    assert [one.leaks for one in found.findings] == [True, False]
    last = probe_text(found).splitlines()[-1]
    assert last == f"1 of 2 data sets leak; {found.findings[0].sentence}"


def test_only_the_window_of_the_data_is_changed(store: Store) -> None:
    probed(store, "n_classes=3", "images_per_class=24", "subjects=[3]")
    sets = [e.key for e in store.entries() if e.stage == "prepare"]
    mine = [
        store.manifest(key)["params"]["params"]
        for key in sets
        if 3 in read_table(store.path(key)).subject_name.astype(int).to_numpy()
    ]
    assert [one.pop("window") for one in mine] in (
        [[0.02, 0.46], [-0.2, 0.0]],
        [[-0.2, 0.0], [0.02, 0.46]],
    )
    assert mine[0] == mine[1]


def test_missing_recordings_are_the_users_to_mend(tmp_path: Path) -> None:
    given = load_recipe("paper", data_root=tmp_path)
    with pytest.raises(DataError):
        probe(given, data_root=tmp_path, store=tmp_path / "store")


def test_the_command() -> None:
    params = [*SMALL, "band=[1,70]", "drift=1"]
    options = [word for one in params for word in ("--set", f"dataset.params.{one}")]
    shown = CliRunner().invoke(cli.main, ["probe", "paper", *options])
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.strip().splitlines()
    assert lines[0].startswith("paper: simulated data, pocket, 360 trials of 6 classes, 6 blocks")
    assert lines[-1].startswith("leaks: the class, from -0.2 to 0 s, before the picture")
    assert "FIRES  the class, from -0.2 to 0 s, before the picture" in lines
    assert any("accuracy" in line and "95 %" in line and "n = 60" in line for line in lines)
    assert "probe pocket" in shown.stderr

    told = CliRunner().invoke(cli.main, ["probe", "paper", *options, "--json"])
    facts = json.loads(told.stdout)
    assert facts["leaks"] is True
    assert facts["sentence"] == lines[-1]
    [dataset] = facts["datasets"]
    assert [part["name"] for part in dataset["parts"]] == [
        "before", "channel_means", "early_late", "permuted_blocks",
    ]  # fmt: skip
    wanted = {"asks", "accuracy", "chance", "n", "ci95", "p", "verdict", "means"}
    assert all(wanted <= set(part) for part in dataset["parts"])


def test_the_simulator_reaches_where_the_probe_looks() -> None:
    for interval in zoo.probe.INTERVALS:
        assert Pocket(window=interval).signal().n_times >= 10
