"""`zoo compare`: from hand-made run folders, and from a real run of toys, to what may be said."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from engine_toys import add_parts, recipe

from cli import main
from registry.errors import UserError
from zoo.compare import compare_runs
from zoo.compare.text import comparison_text
from zoo.engine import plan as planning
from zoo.engine.run import run
from zoo.recipe import dump

BASE = {
    "schema": 1,
    "name": "made",
    "seed": 0,
    "dataset": {"name": "pocket", "params": {"band": [5, 95]}},
    "encoder": {"name": "eegnet", "params": {}, "train": {"lr": 0.001}},
    "metrics": [{"name": "accuracy", "params": {}, "label": "accuracy"}],
}


def figure(value, **changes):
    about = {"n": 40, "unit": "trial", "split": "test", "definition": "Share of test trials."}
    return {"value": value, "ci95": [0.1, 0.9], "higher_is_better": True} | about | changes


def trials(scores, *, first=0, images=None):
    """A table of scores by trial as the run folder has it."""
    ids = [f"t{i:03d}" for i in range(first, first + len(scores))]
    shown = [f"p{i % images}" if images else f"p{i}" for i in range(len(scores))]
    table = {"trial_id": ids, "subject": 0, "image_id": shown, "score": scores}
    return pd.DataFrame(table | {"cluster": shown if images else ids})


def make(folder, cells, *, changes=None, **results):
    """Write a run folder; `cells` is a list of (coords, {metric: (figure, table or None)})."""
    entries, blocks = [], []
    seed = (changes or {}).get("seed", 0)
    for number, (coords, metrics) in enumerate(cells):
        name = f"cell{number}"
        entries.append(
            {"id": name, "coords": coords, "control": None, "seed": coords.get("seed", seed)}
            | {"metrics": {label: about for label, (about, _) in metrics.items()}}
        )
        entries.append(entries[-1] | {"control": "shuffled_eeg"})
        entries.append(entries[-2] | {"coords": coords | {"step": 5}})
        blocks.append({"coords": coords, **({"seed": coords["seed"]} if "seed" in coords else {})})
        (folder / "scores" / name).mkdir(parents=True)
        for label, (_, table) in metrics.items():
            if table is not None:
                table.to_csv(folder / "scores" / name / f"{label}.csv", index=False)
    about = {"recipe": "made", "data": "simulated", "weights": "pocket", "scale": "pocket"}
    (folder / "results.json").write_text(json.dumps(about | {"cells": entries} | results))
    written = BASE | (changes or {}) | ({"cells": blocks} if any(c for c, _ in cells) else {})
    (folder / "recipe.yaml").write_text(dump(written))
    return folder


def one_cell(folder, scores, *, label="accuracy", changes=None, first=0, images=None, **about):
    table = trials(scores, first=first, images=images)
    metrics = {label: (figure(float(np.mean(scores)), **about), table)}
    return make(folder, [({}, metrics)], changes=changes)


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(4, 40)) * 0.1


def test_better_is_said_where_the_scores_support_it(tmp_path, noise):
    a = one_cell(tmp_path / "a", 0.8 + noise[0])
    b = one_cell(tmp_path / "b", 0.5 + noise[1])
    found = compare_runs([a, b])
    (difference,) = found.differences
    assert difference.comparison.value == pytest.approx(0.3 + (noise[0] - noise[1]).mean())
    assert difference.comparison.sentence().startswith("A is better than B: mean difference 0.264")
    assert difference.comparison.unit == "trial"
    text = comparison_text(found)
    assert "The recipes are the same." in text
    assert "accuracy: A is better than B" in text
    assert "[0.100, 0.900]  40 test trials" in text


def test_units_are_counted_in_english(tmp_path, noise):
    few = one_cell(tmp_path / "a", noise[0], n=10, unit="class", label="f1")
    one = one_cell(tmp_path / "b", noise[1], n=1, unit="run", label="f1")
    text = comparison_text(compare_runs([few, one]))
    assert "  10 test classes / 1 test run\n" in text


def test_lower_is_better_turns_the_word_and_not_the_number(tmp_path, noise):
    cells = []
    for name, level in (("a", 0.8), ("b", 0.5)):
        up, down = level + noise[0], level + noise[1]
        metrics = {
            "accuracy": (figure(up.mean()), trials(up)),
            "distance": (figure(down.mean(), higher_is_better=False), trials(down)),
        }
        cells.append(make(tmp_path / name, [({}, metrics)]))
    up, down = (difference.comparison for difference in compare_runs(cells).differences)
    assert up.value > 0 < down.value
    assert "A is better than B" in up.sentence()
    assert "A is worse than B" in down.sentence()
    assert up.n_comparisons == down.n_comparisons == 2


def test_no_difference_is_not_called_one(tmp_path, noise):
    cells = [one_cell(tmp_path / name, 0.5 + noise[i]) for i, name in enumerate("ab")]
    (difference,) = compare_runs(cells).differences
    assert not difference.comparison.supported
    assert "No difference between A and B is supported" in comparison_text(compare_runs(cells))


def test_trials_are_matched_by_id_not_by_row(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.5 + noise[0])
    other = one_cell(tmp_path / "b", 0.4 + noise[0])
    path = other / "scores" / "cell0" / "accuracy.csv"
    pd.read_csv(path).iloc[::-1].assign(subject=3).to_csv(path, index=False)
    (difference,) = compare_runs([one, other]).differences
    assert difference.comparison.ci95 == pytest.approx((0.1, 0.1))
    assert difference.comparison.n_subjects == 1


def test_the_very_same_scores_are_no_comparison(tmp_path, noise):
    folders = []
    for i, name in enumerate("ab"):
        metrics = {
            "accuracy": (figure(0.5), trials(0.5 + noise[0])),
            "ssim": (figure(0.5), trials(0.5 + noise[1 + i])),
        }
        folders.append(make(tmp_path / name, [({}, metrics)]))
    found = compare_runs(folders)
    assert [d.metric for d in found.differences] == ["ssim"]
    assert found.differences[0].comparison.n_comparisons == 1
    assert found.notes == ["A and B have the very same scores, trial by trial, in accuracy"]


def test_settings_that_are_alike_are_told_in_groups(tmp_path, noise):
    """Cells that share an encoder have its accuracy: one line, not one for each pair."""
    cells = []
    for i in range(6):
        shared, own = 0.5 + noise[i // 4], 0.5 + np.roll(noise[2], i)
        metrics = {label: (figure(0.5), trials(s)) for label, s in
                   (("accuracy", shared), ("top_k", shared), ("ssim", own))}  # fmt: skip
        cells.append(({"encoder": str(i)}, metrics))
    found = compare_runs([make(tmp_path / "grid", cells)])
    assert found.notes == [
        "A, B, C and D have the very same scores, trial by trial, in accuracy, top_k",
        "E and F have the very same scores, trial by trial, in accuracy, top_k",
    ]
    assert [d.metric for d in found.differences].count("accuracy") == 8
    assert found.differences[0].comparison.n_comparisons == 8 + 8 + 15


def test_too_many_comparisons_are_not_begun(tmp_path, noise, monkeypatch):
    cells = [
        ({"encoder": str(i)}, {"accuracy": (figure(0.5), trials(0.5 + noise[i]))}) for i in range(4)
    ]
    folder = make(tmp_path / "grid", cells)
    monkeypatch.setattr("zoo.compare.paired.MOST", 5)
    found = compare_runs([folder])
    assert found.differences == []
    assert found.notes[0].startswith("more than 1000 differences are not begun")
    monkeypatch.setattr("zoo.compare.paired.MOST", 6)
    assert len(compare_runs([folder]).differences) == 6


def test_seeds_of_a_cell_are_averaged_and_cells_of_one_run_compared(tmp_path, noise):
    cells = []
    for i, (encoder, seed) in enumerate([("x", 0), ("x", 1), ("y", 0), ("y", 1)]):
        scores = (0.8 if encoder == "x" else 0.5) + noise[i]
        coords = {"encoder": encoder, "seed": seed}
        cells.append((coords, {"accuracy": (figure(float(scores.mean())), trials(scores))}))
    found = compare_runs([make(tmp_path / "grid", cells)])
    assert [(s.name, s.coords, s.seeds) for s in found.settings] == [
        ("A", {"encoder": "x"}, [0, 1]), ("B", {"encoder": "y"}, [0, 1]),
    ]  # fmt: skip
    (difference,) = found.differences
    assert difference.comparison.n_seeds == (2, 2)
    mean = 0.3 + (noise[0] + noise[1] - noise[2] - noise[3]).mean() / 2
    assert difference.comparison.value == pytest.approx(mean)
    figure_of_a = found.figures["accuracy"]["A"]
    assert figure_of_a.value == pytest.approx(0.8 + noise[:2].mean())
    assert figure_of_a.seed_sd == pytest.approx(noise[:2].mean(axis=1).std(ddof=1))
    low, high = figure_of_a.ci95
    assert 0.8 - 0.05 < low < figure_of_a.value < high < 0.8 + 0.05
    assert "standard deviation over seeds" in comparison_text(found)


def grid(folder, encoders, noise):
    cells = []
    for i, encoder in enumerate(encoders):
        table = trials(0.5 + np.roll(noise[i], len(folder.name)))
        cells.append(({"encoder": encoder}, {"accuracy": (figure(0.5), table)}))
    return make(folder, cells)


def names_of(found):
    return [difference.comparison.names for difference in found.differences]


def test_cells_of_one_grid_run_twice_are_compared_with_their_namesakes(tmp_path, noise):
    one, other = (grid(tmp_path / name, "xyz", noise) for name in ("a", "bb"))
    found = compare_runs([one, other])
    assert names_of(found) == [("A", "D"), ("B", "E"), ("C", "F")]
    assert {d.comparison.n_comparisons for d in found.differences} == {3}
    assert found.notes == [
        "each cell is compared with those of its place in the other runs; name one run alone to "
        "compare its cells with one another"
    ]


def test_a_cell_without_a_namesake_is_named(tmp_path, noise):
    found = compare_runs([grid(tmp_path / "a", "xy", noise), grid(tmp_path / "bb", "xzy", noise)])
    assert names_of(found) == [("A", "C"), ("B", "E")]
    assert found.notes[1] == "in one run only, so they stand in the table only: D"


def test_runs_of_other_grids_are_compared_throughout(tmp_path, noise):
    """So is a run of one cell, which has no place, with a grid."""
    found = compare_runs([grid(tmp_path / "a", "xy", noise), grid(tmp_path / "bb", "zw", noise)])
    assert len(found.differences) == 6
    both = [one_cell(tmp_path / name, 0.5 + noise[i]) for i, name in enumerate("cd")]
    assert len(compare_runs([tmp_path / "a", *both]).differences) == 6
    assert "each cell" not in " ".join(found.notes)


def test_a_value_that_is_no_mean_of_its_scores_has_no_interval_over_seeds(tmp_path, noise):
    cells = [
        ({"seed": seed}, {"accuracy": (figure(0.4), trials(0.8 + noise[seed]))}) for seed in (0, 1)
    ]
    one = make(tmp_path / "a", cells)
    other = one_cell(tmp_path / "b", 0.5 + noise[2])
    found = compare_runs([one, other]).figures["accuracy"]
    assert (found["A"].value, found["A"].ci95, found["B"].ci95) == (0.4, None, (0.1, 0.9))


def test_other_test_trials_are_not_paired(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.8 + noise[0])
    other = one_cell(tmp_path / "b", 0.5 + noise[1], first=40)
    part = one_cell(tmp_path / "c", 0.5 + noise[2][:30])
    found = compare_runs([one, other, part])
    assert found.differences == []
    assert found.notes == [
        "cannot be paired: the tests share 0 of 40 trials (A and B)",
        "cannot be paired: the tests share 30 of 40 and 30 trials (A and C)",
        "cannot be paired: the tests share 0 of 40 and 30 trials (B and C)",
    ]
    text = comparison_text(found)
    assert "better" not in text
    assert text.count("40 test trials") == 1


def test_the_same_names_for_other_pictures_are_other_trials(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.8 + noise[0])
    other = one_cell(tmp_path / "b", 0.5 + noise[1], images=8)
    (note,) = compare_runs([one, other]).notes
    assert note == "cannot be paired: the tests share 8 of 40 trials (A and B)"


def test_repeated_pictures_are_resampled_together_and_runs_are_called_runs(tmp_path, noise):
    one, other = (
        one_cell(tmp_path / name, 0.5 + noise[i], images=8) for i, name in enumerate("ab")
    )
    assert compare_runs([one, other]).differences[0].comparison.unit == "image"
    for folder in (one, other):
        path = folder / "scores" / "cell0" / "accuracy.csv"
        table = pd.read_csv(path)
        table.assign(cluster=[f"0/{i % 10}" for i in range(40)]).to_csv(path, index=False)
    comparison = compare_runs([one, other]).differences[0].comparison
    assert (comparison.unit, comparison.n_units) == ("run", 10)
    assert "over 10 runs" in comparison.sentence()


def test_a_metric_without_scores_by_trial_stands_in_the_table_only(tmp_path, noise):
    folders = []
    for i, name in enumerate("ab"):
        metrics = {
            "accuracy": (figure(0.5), trials(0.5 + noise[i])),
            "kappa": (figure(0.4 + i), None),
            "fid": ({"value": None, "reason": "not computed: too few"}, None),
        }
        folders.append(make(tmp_path / name, [({}, metrics)]))
    found = compare_runs(folders)
    assert [difference.metric for difference in found.differences] == ["accuracy"]
    assert found.notes == ["no means over trials, so they stand in the table only: kappa"]
    text = comparison_text(found)
    assert "0.400 [0.100, 0.900]" in text
    assert "not computed" in text


def test_the_same_label_for_another_metric_is_not_paired(tmp_path, noise):
    folders = []
    for k, name in ((1, "a"), (5, "b")):
        block = {"name": "accuracy", "params": {"k": k}, "label": "accuracy"}
        changes = {"metrics": [block]}
        folders.append(one_cell(tmp_path / name, 0.5 + noise[k % 4], changes=changes))
    found = compare_runs(folders)
    assert found.differences == []
    assert found.notes == ["A and B cannot be paired in accuracy: params.k is 1 and 5"]


def test_other_words_in_a_definition_are_pointed_out(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.5 + noise[0], definition="One judge.")
    other = one_cell(tmp_path / "b", 0.5 + noise[1], definition="Another judge.")
    found = compare_runs([one, other])
    assert len(found.differences) == 1
    assert found.notes == [
        "A and B describe accuracy in other words: read both definitions (--json)"
    ]


def test_scores_that_are_not_finite_are_not_paired(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.5 + noise[0])
    other = one_cell(tmp_path / "b", np.r_[np.nan, 0.5 + noise[1][1:]], label="accuracy")
    results = json.loads((other / "results.json").read_text())
    for cell in results["cells"]:
        cell["metrics"]["accuracy"]["value"] = 0.5
    (other / "results.json").write_text(json.dumps(results))
    assert compare_runs([one, other]).notes == [
        "B cannot be paired in accuracy: some score is not finite"
    ]


def test_what_differs_in_the_recipes_and_beyond(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.5 + noise[0])
    encoder = {"name": "eegnet", "params": {"depth": 2}, "train": {"lr": 0.01}}
    asked = [*BASE["metrics"], {"name": "kappa", "params": {}, "label": "kappa"}]
    changes = {"encoder": encoder, "summary": "says nothing", "seed": 3, "metrics": asked}
    changes |= {"published": [{"metric": "kappa", "value": 0.5}], "analyses": [{"name": "spread"}]}
    changes |= {"tuned": ["encoder.train.lr"], "given": ["encoder.train.epochs"]}
    other = one_cell(tmp_path / "b", 0.5 + noise[1], changes=changes)
    for folder, torch, code in ((one, "2.1", "c0de"), (other, "2.2", "0dd")):
        about = {"versions": {"torch": torch, "numpy": "2"}, "code": code, "datasets": {}}
        (folder / "provenance.json").write_text(json.dumps(about))
    found = compare_runs([one, other])
    assert {change.path: change.values for change in found.recipes} == {
        "seed": {"A": 0, "B": 3},
        "encoder.params.depth": {"B": 2},
        "encoder.train.lr": {"A": 0.001, "B": 0.01},
    }
    assert {change.path: change.values for change in found.beyond} == {
        "versions.torch": {"A": "2.1", "B": "2.2"},
        "code": {"A": "c0de", "B": "0dd"},
    }
    lines = [line.split() for line in comparison_text(found).splitlines()]
    assert ["encoder.params.depth", "-", "2"] in lines
    assert ["versions.torch", "2.1", "2.2"] in lines


def test_other_components_are_other_source_anyhow(tmp_path, noise):
    encoder = {"name": "nice", "params": {}, "train": {"lr": 0.001}}
    one = one_cell(tmp_path / "a", 0.5 + noise[0])
    other = one_cell(tmp_path / "b", 0.5 + noise[1], changes={"encoder": encoder})
    for folder in (one, other):
        (folder / "provenance.json").write_text(json.dumps({"code": folder.name}))
    found = compare_runs([one, other])
    assert [change.path for change in found.recipes] == ["encoder.name"]
    assert found.beyond == []


def test_cells_of_a_grid_carry_their_own_blocks(tmp_path, noise):
    cells = [
        ({"encoder.train.lr": lr}, {"accuracy": (figure(0.5), trials(0.5 + noise[i]))})
        for i, lr in enumerate((0.001, 0.01))
    ]
    folder = make(tmp_path / "grid", cells)
    written = BASE | {
        "cells": [
            {"coords": {"encoder.train.lr": 0.001}},
            {"coords": {"encoder.train.lr": 0.01}, "encoder": {"name": "eegnet", "params": {},
                                                               "train": {"lr": 0.01}}},
        ]
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(dump(written))
    (change,) = compare_runs([folder]).recipes
    assert (change.path, change.values) == ("encoder.train.lr", {"A": 0.001, "B": 0.01})


def test_many_comparisons_are_told_in_few_sentences(tmp_path, noise):
    cells = []
    for i in range(6):
        scores = (0.9 if i == 0 else 0.5) + np.roll(noise[i % 4], i)
        cells.append(({"encoder": str(i)}, {"accuracy": (figure(0.5), trials(scores))}))
    found = compare_runs([make(tmp_path / "grid", cells)])
    assert len(found.differences) == 15
    assert {d.comparison.n_comparisons for d in found.differences} == {15}
    text = comparison_text(found)
    assert text.count(" is better than ") == 5
    assert text.endswith("No other difference is supported, of 15 comparisons.")


def test_where_no_test_can_be_it_is_said_what_to_do(tmp_path, noise):
    folders = [one_cell(tmp_path / n, 0.5 + noise[i][:4]) for i, n in enumerate("ab")]
    text = comparison_text(compare_runs(folders))
    assert "no interval  no test" in text
    assert "--metric NAME compares less at a time" in text


def test_a_folder_without_scores_says_what_to_do(tmp_path, noise):
    one, other = (one_cell(tmp_path / n, 0.5 + noise[i]) for i, n in enumerate("ab"))
    shutil.rmtree(other / "scores")
    found = compare_runs([one, other])
    assert found.differences == []
    assert found.notes == [
        "B cannot be paired: made before run folders kept scores by trial. Run the recipe again; "
        "what the store still holds is not computed again"
    ]
    assert found.figures["accuracy"]["B"].value is not None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["a", "nowhere"], "nowhere: there is no such folder"),
        (["a", "."], "is not a run folder: name one inside it, such as b"),
        (["a", "a/scores"], "a/scores is not a run folder: it has no results.json"),
        (["a", "../{here}/a"], "are the same run; name each once"),
        (["a"], "a: there is one cell only; name another run to compare it with"),
        (["a", "b", "--metric", "acuracy"], "Did you mean 'accuracy'? They have: accuracy"),
        ([], "Missing argument"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path, noise, monkeypatch, args, said):
    for i, name in enumerate("ab"):
        one_cell(tmp_path / name, 0.5 + noise[i])
    monkeypatch.chdir(tmp_path)
    given = [arg.format(here=tmp_path.name) for arg in args]
    done = CliRunner().invoke(main, ["compare", *given])
    assert done.exit_code == 2
    assert said in done.output
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("results.json", "{", "results.json cannot be read"),
        ("recipe.yaml", "a: [", "recipe.yaml:1: not valid YAML"),
        ("recipe.yaml", "schema: 1\ncells: []", "has 0 cells and results.json 1"),
        ("scores/cell0/accuracy.csv", "trial_id,score\nt,1", "lacks the column 'cluster'"),
        ("scores/cell0/accuracy.csv", "", "cannot be read"),
    ],
)
def test_damaged_folders_are_named(tmp_path, noise, path, text, said):
    one, other = (one_cell(tmp_path / n, 0.5 + noise[i]) for i, n in enumerate("ab"))
    (other / path).write_text(text)
    with pytest.raises(UserError, match=str(other)) as caught:
        compare_runs([one, other])
    assert said in str(caught.value)


def test_json_holds_everything(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.8 + noise[0])
    other = one_cell(tmp_path / "b", 0.5 + noise[1])
    done = CliRunner().invoke(main, ["compare", str(one), str(other), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert [s["name"] for s in found["settings"]] == ["A", "B"]
    assert found["settings"][1]["run"] == str(other)
    assert found["metrics"]["accuracy"]["A"]["ci95"] == [0.1, 0.9]
    (difference,) = found["differences"]
    assert (difference["metric"], difference["supported"]) == ("accuracy", True)
    assert difference["sentence"].startswith("A is better than B")


def test_a_run_folder_is_enough(tmp_path, monkeypatch):
    """A real run of toys: the store is gone when the runs are compared."""
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    report = SimpleNamespace(write_report=lambda folder: folder)
    monkeypatch.setitem(sys.modules, "zoo.report", report)
    monkeypatch.chdir(tmp_path)
    first = run(recipe(), store=tmp_path / "store").folder
    again = run(recipe(name="again"), store=tmp_path / "store").folder
    shutil.rmtree(tmp_path / "store")
    assert {path.name for path in (first / "scores" / "cell").iterdir()} == {
        "accuracy.csv", "image_class_accuracy.csv", "image_class_accuracy.shuffled_eeg.csv",
        "image_class_accuracy.class_label.csv",
    }  # fmt: skip
    assert not (first / "failures").exists()
    table = pd.read_csv(first / "scores" / "cell" / "image_class_accuracy.shuffled_eeg.csv")
    assert (table["trial_id"].tolist(), set(table["score"])) == (
        [f"t{i:02d}" for i in range(6, 12)], {1.0},
    )  # fmt: skip
    monkeypatch.undo()
    found = compare_runs([tmp_path / first, tmp_path / again])
    same = "A and B have the very same scores, trial by trial, in accuracy, image_class_accuracy"
    assert found.notes == [same]
    assert found.figures["accuracy"]["A"].value == 1


def test_a_link_is_followed(tmp_path, noise):
    one = one_cell(tmp_path / "a", 0.5 + noise[0])
    other = one_cell(tmp_path / "b", 0.5 + noise[1])
    (tmp_path / "latest").symlink_to("b", target_is_directory=True)
    found = compare_runs([one, Path(tmp_path / "latest")])
    assert [setting.folder for setting in found.settings] == [one, other]
