"""Toy encode: counts steps, keeps a checkpoint of each, may be told to dawdle, fail or die."""

from __future__ import annotations

import json
import os
import signal
import time

import numpy as np

from zoo.progress import bar
from zoo.stages._lineage import Lineage


def run(inputs, params, out, context):
    if params["encoder"]["params"]["power"] == 13:
        raise RuntimeError("thirteen is unlucky")
    if params["encoder"]["params"]["power"] == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    checkpoint = context.work / "checkpoint.json"
    done = json.loads(checkpoint.read_text()) if checkpoint.is_file() else []
    bar("encode", 6, delay=60).close()  # takes what every progress bar takes
    for step in range(len(done), 6):
        done.append((step + params["seed"]) ** 2)
        (context.work / "partial").write_text(json.dumps(done))
        (context.work / "partial").replace(checkpoint)
        with open(os.environ.get("TOY_STEPS", os.devnull), "a") as log:  # noqa: PTH123
            log.write(f"{step}\n")
        with open(os.environ.get("TOY_PIDS", os.devnull), "a") as log:  # noqa: PTH123
            log.write(f"{params['seed']} {step} {os.getpid()}\n")
        time.sleep(float(os.environ.get("TOY_PAUSE", "0")))
    with np.load(inputs["select"] / "select.npz") as select:
        label, trial_id = select["label"], select["trial_id"]
    np.save(out / "logits.npy", np.eye(2, dtype=np.float32)[label] + sum(done))
    np.save(out / "trial_ids.npy", trial_id)
    (out / "log.csv").write_text("step,loss\n" + "".join(f"{i},{x}\n" for i, x in enumerate(done)))
    (out / "encode.json").write_text(json.dumps({"selected_on": "val"}))
    Lineage().write(out)
