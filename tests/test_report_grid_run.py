"""The report of a grid that was run, of toys: from the run folder alone."""

import json
import re
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

from engine_toys import CELL, add_parts, recipe, with_
from report_toys import alts, page

from zoo.engine import plan as planning
from zoo.engine.run import run


def test_a_real_grid_of_toys_is_reported_from_its_folder(tmp_path, monkeypatch):
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    monkeypatch.chdir(tmp_path)
    report = SimpleNamespace(write_report=lambda folder: folder)
    monkeypatch.setitem(sys.modules, "zoo.report", report)
    cells = [
        replace(
            with_(with_(CELL, "encoder", params={"power": power}), "conditioner",
                  train={"snapshots": [2, 4]}),
            id=f"power={power},seed={seed}",
            coords={"encoder.params.power": power, "seed": seed},
            seed=seed,
        )
        for power in (1, 2)
        for seed in (0, 1)
    ]  # fmt: skip
    folder = run(recipe(*cells), store=tmp_path / "store").folder
    shutil.rmtree(tmp_path / "store")
    monkeypatch.delitem(sys.modules, "zoo.report")
    assert not (folder / "failures").exists()
    results = json.loads((folder / "results.json").read_text())
    for one in results["cells"]:  # toys say less of themselves than real parts do
        one["training"] = {"parameters": {"all": 5}, "total": 5, "steps": 6}
        for metric in one["metrics"].values():
            metric.update({"unit": "trial", "split": "test", "definition": "made up"})
    (folder / "results.json").write_text(json.dumps(results))
    found = page(folder)
    assert "2 settings in 2 seeds (0, 1). What varies: power (1 | 2)." in found.text
    assert "over trials of these trainings" in found.text
    (alt,) = alts(found, "Learning curves of image class accuracy over the steps")
    assert re.search(r"power 2: \d\.\d{3} at 2, \d\.\d{3} at 4, \d\.\d{3} at 6", alt)
    assert found.wrong == []
