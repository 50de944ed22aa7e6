"""The report on a run folder made by hand: what it says, and what it does when things miss."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_toys import LEAKAGE, entry, figure, page, write

from registry.errors import UserError
from zoo.report import tables, write_report
from zoo.report.strip import spread

CLASSES = ["daisy", "canoe", "mug"]


def fill(folder, cell="cell", controls=("real", "shuffled_eeg", "class_label")):
    """Write gallery and logs of one cell: 30 trials of three classes."""
    gallery, logs = folder / "gallery" / cell, folder / "logs" / cell
    logs.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(30):
        trial, name = f"t{i:02d}", CLASSES[i % 3]
        for place in ("seen", *controls):
            path = gallery / place / (f"{trial}.png" if place == "seen" else f"{trial}_0.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((64, 64)).save(path)
        decoded = "mug" if i == 0 else name
        source = f"t{(i + 1) % 30:02d}"
        rows.append({"trial_id": trial, "label": i % 3, "class": name, "image_id": f"p{i}"}
                    | {"decoded": decoded, "source_shuffled_eeg": source})  # fmt: skip
    pd.DataFrame(rows).to_csv(gallery / "index.csv", index=False)
    steps = np.arange(1, 41)
    loss = 1 / steps
    log = pd.DataFrame({"step": steps, "epoch": steps, "loss": loss, "lr": 0.1, "seconds": steps})
    log.to_csv(logs / "condition.csv", index=False)
    log.to_csv(logs / "condition.class_label.csv", index=False)
    log.assign(val_accuracy=1 - loss, val_loss=loss).to_csv(logs / "encode.csv", index=False)


@pytest.fixture
def run_folder(tmp_path):
    """One cell with both controls, as the engine leaves it."""
    fill(tmp_path)
    gain = figure(0.5, definition="of all pairings")
    contribution = {
        "scores": {"image_class_accuracy": {"eeg": gain}, "pixcorr": {"eeg": gain, "within_class": {
            "value": None, "reason": "not measurable: one image a class"}}},
        "over": {"shuffled_eeg": {"image_class_accuracy": figure(0.4, p_holm=0.01)}},
        "verdict": {"kind": "not told", "sentence": "It cannot be told."},
    }  # fmt: skip
    write(
        tmp_path,
        [entry(None), entry("shuffled_eeg", value=0.3), entry("class_label", value=0.95)],
        contribution={"cell": contribution},
    )
    (tmp_path / "recipe.yaml").write_text("schema: 1\nname: synthetic\n")
    (tmp_path / "provenance.json").write_text(
        json.dumps({"seconds": 321.0, "code": "abc123", "versions": {"torch": "2.11.0"},
                    "machine": {"cores": 2, "threads": None}})
    )  # fmt: skip
    return tmp_path


def test_figures_stand_with_interval_n_split_and_selection(run_folder):
    text = page(run_folder).text
    assert "0.900 [0.800, 0.950] n = 30 trials · test" in text
    assert "0.800 [0.700, 0.850] n = 30 trials · test · encoder chosen on val" in text
    assert "real EEG shuffled EEG class label (ceiling)" in text
    assert "chance 0.333" in text


def test_what_a_reader_must_know_stands_first(run_folder):
    text = page(run_folder).text
    assert text.index(LEAKAGE) < text.index("At a glance") < text.index("0.900")
    assert "The EEG is simulated. Stand-ins are used for: data, weights." in text
    assert text.count(LEAKAGE) == 1
    assert "321 s" in text
    assert "abc123" in text
    assert "schema: 1 name: synthetic" in text


def test_what_the_eeg_contributes_stands_by_score(run_folder):
    text = page(run_folder).text
    assert "It cannot be told." in text
    assert "score EEG contribution within the class over shuffled EEG" in text
    row = text[text.index("image class accuracy +0.500") :]
    assert row.startswith("image class accuracy +0.500 [+0.400, +0.550] n = 30 trials")
    assert "+0.400 [+0.300, +0.450] n = 30 trials · p = 0.0100 (Holm)" in row
    assert "pixcorr +0.500 [+0.400, +0.550] n = 30 trials not measurable: one image a class" in text


def test_leaks_looks_and_choices_are_said(run_folder):
    results = json.loads((run_folder / "results.json").read_text())
    trusted = results["cells"][0]
    trusted["leakage"] = {"verdict": "leaking", "sentence": "Leaking: the block is shared."}
    trusted["ledger"] = {
        "checkpoints": [{"sentence": "Epoch 3 of 9 was chosen on val."}],
        "settings": [{"chosen_on": "test", "from": "ours", "paths": ["encoder.train.lr"]}],
        "stamp": "CHOSEN ON TEST: encoder.train.lr.",
        "look": {"number": 4, "sentence": "4th look at these test trials."},
    }
    trusted["probe"] = "no leak found"
    (run_folder / "results.json").write_text(json.dumps(results))
    text = page(run_folder).text
    for sentence in ("CHOSEN ON TEST", "4th look at these", "It cannot be told."):
        assert text.index(sentence) < text.index("At a glance"), "before any figure"
    assert "Leaking: the block is shared." in text
    assert "Leak probe: no leak found" in text
    assert "4th look at these test trials." in text
    assert "Epoch 3 of 9 was chosen on val." in text
    assert "CHOSEN ON TEST: encoder.train.lr." in text
    assert "test ours encoder.train.lr" in text


def test_a_grid_tells_first_what_is_wrong_with_any_cell(tmp_path):
    def cell(name, look, kind, **more):
        ledger = {"checkpoints": [], "settings": [], "stamp": more.pop("stamp", None)}
        ledger["look"] = {"number": look, "sentence": f"look {look}."}
        found = entry(None, id=name, coords={"lr": look})
        return found | {"ledger": ledger, "probe": more.pop("probe", None)}, {
            name: {"scores": {}, "over": {}, "verdict": {"kind": kind, "sentence": f"{kind}."}}
        }

    made = [
        cell("a", 2, "not told"),
        cell("b", 3, "class only", stamp="CHOSEN ON TEST: b."),
        cell("c", 1, "not told", probe="leaks: the class is decoded"),
    ]
    write(tmp_path, [one for one, _ in made], contribution=made[0][1] | made[1][1] | made[2][1])
    text = page(tmp_path).text
    head = text[: text.index("Over 3 cells")]
    assert head.index("CHOSEN ON TEST: b.") < head.index("Leak probe: leaks: the class is decoded")
    assert "look 3." in head
    assert "look 2." not in head
    assert "What the EEG contributes: not told (2 of 3 cells), class only (1 of 3 cells)." in head


def test_figures_of_sets_stand_beside_what_belongs_to_them(run_folder):
    results = json.loads((run_folder / "results.json").read_text())
    beside = {"seen pictures, same n": 8.1}
    results["cells"][0]["metrics"]["inception_score@x"] = figure(6.2, beside=beside)
    (run_folder / "results.json").write_text(json.dumps(results))
    page_ = page(run_folder)
    assert "6.200 [6.100, 6.250] n = 30 trials · test · seen pictures, same n: 8.100" in page_.text


def test_definitions_are_tooltips_and_a_list(run_folder):
    found = page(run_folder)
    assert "Share of test trials." in found.titles
    assert "accuracy Share of test trials." in found.text


def test_a_control_without_a_value_gives_no_second_definition():
    def entry(value, definition):
        return {"metrics": {"accuracy": {"value": value, "definition": definition}}}

    pair = [entry(0.5, "Share. 95 % interval: Wilson."), entry(None, "Share.")]
    assert tables.definitions(pair) == [("accuracy", "Share. 95 % interval: Wilson.")]
    assert tables.definitions(pair[1:]) == [("accuracy", "Share.")]


def test_the_page_is_well_formed_and_loads_nothing_from_elsewhere(run_folder):
    found = page(run_folder)
    assert found.wrong == []
    assert found.open == []
    addresses = found.links + [image["src"] for image in found.images]
    assert not [a for a in addresses if a.startswith(("http", "//", "/"))]
    local = [a for a in addresses if not a.startswith(("data:", "#"))]
    assert [a for a in local if not (run_folder / a).exists()] == ["results.csv"]
    assert all(image.get("alt") for image in found.images)


def test_pictures_of_24_trials_are_embedded_and_all_are_linked(run_folder):
    found = page(run_folder)
    embedded = [i for i in found.images if i["src"].startswith("data:image/jpeg")]
    linked = [i for i in found.images if i["src"].startswith("gallery/")]
    assert len(embedded) == 24 * 4
    assert len(linked) == 30 * 4
    assert "✗ decoded: mug" in found.text
    assert "✓ decoded: canoe" in found.text
    assert "EEG of: canoe" in found.text


def test_learning_curves_are_drawn_from_the_logs(run_folder):
    alts = [image["alt"] for image in page(run_folder).images]
    assert (
        "Learning curves: encoder: loss; encoder: accuracy on val; conditioner: denoising loss."
        in alts
    )


def test_spread_is_balanced_over_classes_and_even_within():
    classes = np.array(["a"] * 100 + ["b"] * 100 + ["c"] * 2)
    rows = spread(classes, shown=24)
    assert [int((classes[rows] == name).sum()) for name in "abc"] == [8, 8, 2]
    assert rows[0] == 0
    assert rows[7] == 99
    assert len(set(rows)) == len(rows)


def test_a_missing_figure_shows_its_reason(tmp_path):
    reason = "not computed: needs a judge that knows zebra"
    missing = {"value": None, "definition": "Share.", "reason": reason}
    write(tmp_path, [entry(None, metrics={"image_class_accuracy": missing})])
    assert reason in page(tmp_path).text


def test_a_run_without_controls_pictures_logs_or_provenance(tmp_path):
    write(tmp_path, [entry(None)])
    found = page(tmp_path)
    assert found.wrong == []
    assert "0.900" in found.text
    assert "shuffled" not in found.text
    assert "no provenance.json" in found.text


def test_pictures_of_validation_are_not_called_those_of_the_test(tmp_path):
    fill(tmp_path, controls=("real",))
    write(tmp_path, [entry(None)])
    assert "30 test trials" in page(tmp_path).text
    write(tmp_path, [entry(None, leakage=None)], score_on="val")
    found = page(tmp_path)
    assert "30 validation trials" in found.text
    assert "test trials (" not in found.text


def test_a_control_without_pictures_is_left_out_of_the_strip(tmp_path):
    fill(tmp_path, controls=("real", "class_label"))
    write(tmp_path, [entry(None), entry("shuffled_eeg"), entry("class_label")])
    found = page(tmp_path)
    assert "drawn: class label (ceiling)" in found.text
    assert "drawn: shuffled EEG" not in found.text


def test_failures_are_told(tmp_path):
    failure = {"node": "condition linear · seed 0", "message": "the loss became <nan>"}
    write(tmp_path, [entry(None, metrics={}, failures=[failure])])
    text = page(tmp_path).text
    assert "condition linear · seed 0 : the loss became <nan>" in text


def test_a_grid_gets_means_over_cells_and_a_section_each(tmp_path):
    entries = []
    for fold, value in enumerate((0.6, 0.7, 0.8), 1):
        fill(tmp_path, cell=f"fold={fold}", controls=("real",))
        coords = {"dataset.params.split": {"by": "run", "test": [str(fold)]}}
        about = {"cell": f"fold={fold}", "coords": coords, "notes": [f"note of fold {fold}"]}
        entries += [entry(None, value=value, **about)]
        entries += [entry("shuffled_eeg", value=value - 0.3, **about)]
    write(tmp_path, entries)
    found = page(tmp_path)
    assert "Over 3 cells" in found.text
    assert "0.700 SD 0.100, range 0.600 to 0.800; 3 cells" in found.text  # real
    assert "0.400 SD 0.100, range 0.300 to 0.500; 3 cells" in found.text  # shuffled
    assert "dataset split: by run, test 2" in found.text
    assert found.text.count("note of fold 2") == 1
    assert found.wrong == []
    # One axis needs no table of its own.
    assert "By dataset split" not in found.text
    local = [a for a in found.links if a.startswith(("gallery", "logs"))]
    from urllib.parse import unquote

    assert local
    assert all((tmp_path / unquote(a)).exists() for a in local)


def test_means_along_each_of_two_axes():
    cells = [
        entry(None, cell=f"{e}-{s}", coords={"encoder.name": e, "seed": s}, value=v)
        for e, s, v in [("eegnet", 0, 0.5), ("eegnet", 1, 0.7), ("big", 0, 0.2), ("big", 1, 0.4)]
    ]
    summary = tables.over_cells(cells)
    encoder, seed = summary["axes"]
    assert encoder["axis"] == "encoder"
    column = summary["metrics"].index("image class accuracy")
    found = {value: means[column].value for value, _, means in encoder["lines"]}
    assert found == {"eegnet": "0.600", "big": "0.300"}
    assert {value: n for value, n, _ in seed["lines"]} == {"0": 2, "1": 2}


def test_snapshots_have_a_table_and_stay_out_of_the_means(tmp_path):
    early = entry(None, coords={"step": 25}, value=0.5)
    del early["metrics"]["accuracy"]
    write(tmp_path, [entry(None), early])
    found = page(tmp_path)
    assert "During training" in found.text
    assert "step 25" in found.text
    assert "Over 2 cells" not in found.text


def test_the_same_folder_gives_the_same_page(run_folder):
    first = write_report(run_folder).read_bytes()
    assert write_report(run_folder).read_bytes() == first


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no results\.json; name a run folder"):
        write_report(tmp_path)
    for text in ("{}", "[]", '{"schema": 1, "cells": [{}]}', '{"schema": 1, "cells": [1]}'):
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(UserError, match=r"is not a run's results\.json"):
            write_report(tmp_path)
    for content in (b"{", b"\xff"):
        (tmp_path / "results.json").write_bytes(content)
        with pytest.raises(UserError, match="is not JSON"):
            write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_papers_figures_stand_below_those_of_a_single_cell(tmp_path):
    about = {"metric": "accuracy", "value": 0.5625, "sd": None, "n": 128, "note": "", "where": {}}
    about |= {"source": "Table 1", "cells": ["cell"], "comparable": False}
    about |= {"why_not": "not comparable: simulated EEG stands in"}
    write(tmp_path, [entry(None)], published=[about])
    line = "paper: 0.562 (accuracy), n = 128, Table 1 — not comparable: simulated EEG stands in"
    assert line in page(tmp_path).text
