"""The report of a grid, on run folders made by hand: settings, papers, plots, layers, answers."""

import base64
import json
import re

import pytest
from report_grid_toys import clip_gap
from report_toys import alts, entry, figure, page, write

from zoo.listing import results_text
from zoo.report import write_report


@pytest.fixture(scope="module")
def gap(tmp_path_factory):
    """The page of the whole grid, with its folder."""
    folder = tmp_path_factory.mktemp("gap")
    clip_gap(folder)
    return page(folder), folder


def test_settings_are_named_by_what_varies(gap):
    found, _ = gap
    said = "9 settings in 5 seeds (0, 1, 2, 3, 4). What varies: conditioner (clip_text, text "
    said += (
        "encoder trained | clip_text, text encoder frozen | linear); opens (none | attn2_lora | "
    )
    assert (
        said
        + "attn2). Read by: image class accuracy, at the end of training unless a plot has steps."
        in found.text
    )
    about_grid = found.text[found.text.index("The grid") : found.text.index("Over 45 cells")]
    assert "lr" not in about_grid


def test_each_setting_has_a_row_with_seeds_split_n_and_interval(gap):
    text = gap[0].text
    row = text[text.index("clip_text, text encoder frozen, opens attn2 0.670") :]
    said = re.match(
        r".*? 0\.670 \[(0\.\d+), (0\.\d+)\] n = 30 trials · test · mean of 5 seeds, SD 0\.016, "
        r"0\.650 to 0\.690 · over seeds x trials paper: 0\.512, n = 50, ", row
    )  # fmt: skip
    assert said, row[:300]
    low, high = map(float, said.groups())
    assert 0.6 < low < 0.66 < 0.68 < high < 0.74
    assert "1 234 567 projection 4 567, text encoder 1 230 000 0.7 200 steps" in text
    assert "text encoder 1 230 002" in text
    assert gap[0].wrong == []


def test_figures_of_papers_stand_beside_ours_and_are_theirs(gap):
    text = gap[0].text
    ours = "setting image class accuracy image class accuracy, published"
    assert f"{ours} accuracy accuracy, published gap trained parameters" in text
    assert (
        "paper: 0.374, SD 0.020, Yang & Liu 2024, Table 1 — not comparable: simulated EEG, small "
        "denoiser"
    ) in text
    assert text.count("Table 1 — not comparable") == 1, "beside one setting of nine"
    paper = "paper: 0.512, n = 50, Yang & Liu 2024, Table 9 (mean of 4)"
    assert paper in text
    assert f"{paper} — not" not in text
    alone = text[text.index("Published figures that no setting stands beside") :]
    assert "88.000 (fid), Yang & Liu 2024, Table 3 — not comparable: simulated EEG" in alone[:140]


def test_controls_and_chance_are_lines_of_their_own(gap):
    text = gap[0].text
    ceiling = "class label (ceiling) control: mean over the settings that have it 0.980 (0.980 to "
    assert f"{ceiling}0.980, 9 settings)" in text
    assert "shuffled EEG control: mean over the settings that have it 0.111" in text
    assert "chance 0.333 – 0.333" in text


def test_the_forest_marks_settings_controls_and_papers(gap):
    own, encoder = alts(gap[0], "Forest plot of ")
    assert own.startswith("Forest plot of image class accuracy. clip_text, text encoder trained, ")
    assert re.search(
        r"clip_text, text encoder frozen, opens attn2: 0\.670 \[0\.\d+, 0\.\d+\], shuffled EEG "
        r"0\.111, class label \(ceiling\) 0\.980, the paper's 0\.512;", own
    )  # fmt: skip
    assert own.count("the paper's") == 1
    assert encoder.startswith("Forest plot of accuracy.")
    assert encoder.count("the paper's 0.374") == 1


def test_the_heat_map_puts_path_against_opening(gap):
    (alt,) = alts(gap[0], "Heat map of image class accuracy.")
    squares = alt.partition(". ")[2].rstrip(".").split("; ")
    assert len(squares) == 9
    assert "clip_text, text encoder trained, attn2_lora: 0.470" in squares
    assert "linear, attn2: 0.820" in squares
    assert "Rows: conditioner; columns: opens. Colours run from 0 to 1." in gap[0].text


def test_learning_curves_run_over_snapshots_to_the_end(gap):
    (alt,) = alts(gap[0], "Learning curves of image class accuracy over the steps of training.")
    line = "linear, opens none: 0.650 at 25, 0.660 at 50, 0.680 at 100, 0.720 at 200 "
    assert f"{line}(class label (ceiling): 0.980)" in alt
    assert alt.count("at 200") == 9
    assert "setting step 25 step 50 step 100 step 200" in gap[0].text
    caption = "mean over 5 seeds, the band is their range (n = 30 trials · test). Dashed: what the"
    assert caption in gap[0].text


def test_of_one_seed_nothing_is_said_of_a_mean_or_a_band(tmp_path):
    snapshots = [
        entry(None, cell=f"k={k}", coords={"encoder.params.k": k, **step},
              training={"parameters": {"all": 5}, "total": 5, "steps": 200})
        for k in (1, 2) for step in ({}, {"step": 50}, {"step": 100})
    ]  # fmt: skip
    write(tmp_path, snapshots)
    text = page(tmp_path).text
    assert "earlier steps of one training and at its end; one seed (n = 30 trials · test)." in text
    assert "one training each: the intervals hold for other trials" in text
    assert "the band is their range" not in text
    assert "Dashed" not in text


def test_the_forest_tells_long_names_to_their_end(tmp_path):
    long = "a_conditioner_with_a_very_long_name_that_says_what_it_does"
    cells = [
        entry(None, cell=f"{k}", coords={"conditioner": {"name": long}, "encoder.params.k": k})
        for k in (1, 2)
    ] + [entry(None, cell="3", coords={"conditioner": "short", "encoder.params.k": 1})]
    write(tmp_path, cells)
    (forest,) = (i for i in page(tmp_path).images if i["alt"].startswith("Forest plot"))
    drawn = base64.b64decode(forest["src"].partition("base64,")[2]).decode()
    assert {"k 1", "k 2"} <= set(re.findall(r"k [12]", drawn))


def test_layers_are_told_before_and_after(gap):
    (alt,) = alts(gap[0], "gap: cka over the layers; solid after training, dashed before.")
    line = "clip_text, text encoder frozen, opens none: 0.370 at 0, 0.470 at 1, 0.570 at 2 "
    assert f"{line}(before training: 0.070 at 0, 0.170 at 1, 0.270 at 2)" in alt
    assert "linear" not in alt
    text = gap[0].text
    assert "Linear CKA of EEG-made and real text. (n = 40 trials, test) Mean over 5 seeds." in text
    without = text[text.index("gap: centroid distance") :]
    assert "opens none, after 1.500 5 seeds, 1.500 to 1.500" in without[:300]
    assert not alts(gap[0], "gap: centroid")


def test_one_layer_is_a_table_and_what_layers_share_is_told_once(tmp_path):
    def row(layer, when, where):
        return {"measure": "distance", "layer": layer, "when": when, "value": 0.5, "ci95": None,
                "n": 10, "unit": "class", "split": "test",
                "definition": f"Distance; {where}; all tokens. No interval."}  # fmt: skip

    rows = [row(place, when, where) for when in ("before", "after")
            for place, where in ((0, "at the input"), (None, "final states"))]  # fmt: skip
    cells = [
        entry(None, cell=f"{k}", coords={"encoder.params.k": k},
              metrics={"accuracy": figure(0.9), "gap": figure(0.5, table=rows)})
        for k in (1, 2)
    ]  # fmt: skip
    write(tmp_path, cells)
    found = page(tmp_path)
    assert not alts(found, "gap: distance over the layers")
    assert (
        "Distance; all tokens. No interval. layer 0: at the input. "
        "value: final states. (n = 10 classes, test) The numbers, before and after training"
    ) in found.text


def test_answers_stand_at_the_top_with_their_interval(gap):
    text = gap[0].text
    sentence = "The pocket text encoder is the slower door: 0.300 less area."
    assert text.index(sentence) < text.index("cannot be told") < text.index("Before you read")
    said = f"{sentence} -0.300 95 % interval [-0.350, -0.250] n = 400 trials · test · image class"
    assert said in text
    # A table for each kind of row, without columns that none of its rows has.
    assert (
        "over steps. outcome test none arm name area 95 % interval trained 0.410 [0.400, " in text
    )
    assert "linear 0.710 –" in text
    assert "Whether better classifiers draw better cannot be told. No figure: two encoders" in text


def test_many_cells_are_folded_and_the_page_stays_small(gap):
    found, folder = gap
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert html.count('<details class="cell"') == 45
    assert len(html) < 1_000_000
    definition = "Share of test trials."
    assert html.count(definition) == 3, "once a metric"
    assert write_report(folder).read_text(encoding="utf-8") == html
    assert found.open == []


def test_cells_of_a_small_grid_are_open(tmp_path):
    write(tmp_path, [entry(None, cell=str(s), seed=s, coords={"seed": s}) for s in range(2)])
    write_report(tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<section class="cell" id="0"' in html
    assert '<details class="cell"' not in html
    assert "1 setting in 2 seeds (0, 1)" in page(tmp_path).text


def grid_of_two_sides(folder):
    """Encoders by conditioners, one of the nine cells not run."""
    pairs = [(e, c) for e in ("eegnet", "lstm", "conformer") for c in ("linear", "ip", "text")]
    entries = [
        entry(None, cell=f"{e}-{c}", value=0.1 * i, coords={"conditioner.name": c, "encoder": e})
        for i, (e, c) in enumerate(pairs)
        if (e, c) != ("lstm", "ip")
    ]
    write(folder, entries)


def test_the_heat_map_puts_encoders_against_conditioners(tmp_path):
    grid_of_two_sides(tmp_path)
    found = page(tmp_path)
    (alt,) = alts(found, "Heat map")
    assert "eegnet, ip: 0.100; eegnet, text: 0.200; lstm, linear: 0.300; lstm, ip: none;" in alt
    assert "Rows: encoder; columns: conditioner." in found.text
    assert "eegnet" in found.text
    assert "fewer than" not in found.text, "one seed keeps the interval of its metric"
    assert "0.200 [0.100, 0.250] n = 30 trials · test · 1 seed · over trials of this" in found.text


def test_a_quantity_gets_a_curve(tmp_path):
    entries = [
        entry(None, cell=f"{e}{m}", value=v, coords={"dataset.params.minutes": m, "encoder": e})
        for e, up in (("eegnet", 0.0), ("lstm", 0.2))
        for m, v in ((5, 0.4 + up), (1, 0.2 + up), (None, 0.6 + up))
    ]
    write(tmp_path, entries)
    found = page(tmp_path)
    (alt,) = alts(found, "image class accuracy over minutes")
    assert "eegnet: 0.200 at 1, 0.400 at 5, 0.600 at none; lstm: 0.400 at 1" in alt
    assert "setting minutes 1 minutes 5 minutes none eegnet 0.200 [0.100, 0.250]" in found.text


def test_the_first_analysis_names_the_primary_metric(tmp_path):
    cells = [entry(None, cell=str(k), coords={"encoder.params.k": k}) for k in (1, 2)]
    write(tmp_path, cells)
    assert "Read by: image class accuracy, at the end" in page(tmp_path).text
    answer = {"analysis": "slope", "sentence": "Yes.", "value": 1.0, "metric": "accuracy"}
    write(tmp_path, cells, answers=[answer])
    assert "Read by: accuracy, at the end" in page(tmp_path).text


def test_a_setting_without_a_figure_says_why(tmp_path):
    failed = {"value": None, "reason": "not computed: the loss became NaN"}
    cells = [
        entry(None, cell="a", coords={"encoder.params.k": 1}),
        entry(None, cell="b", coords={"encoder.params.k": 2}, metrics={
            "accuracy": failed, "image_class_accuracy": failed}),
    ]  # fmt: skip
    write(tmp_path, cells)
    assert "k 2 not computed: the loss became NaN" in page(tmp_path).text


def test_the_command_line_tells_the_answers_after_the_table(gap):
    results = json.loads((gap[1] / "results.json").read_text())
    paragraphs = results_text(results).split("\n\n")
    assert paragraphs[0].startswith("cell ")
    assert paragraphs[1].splitlines() == [answer["sentence"] for answer in results["answers"]]
    alone = results_text({**results, "answers": []}).split("\n\n")
    assert alone == [paragraphs[0], *paragraphs[2:]]
