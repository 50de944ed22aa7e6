"""`zoo compare`: figures and paired differences of run folders, and what may be said of them."""

import json

import made_runs
import numpy as np
import pandas as pd
import pytest
from made_runs import figure, make, one_cell, trials

from zoo.compare import compare_runs
from zoo.compare.text import comparison_text

noise = pytest.fixture(made_runs.noise)


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
