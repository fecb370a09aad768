"""The peers' answers: a script for the environment of requirements/peers-quality.txt, which lacks ours.

.venv-quality-peers/bin/python benchmarks/quality_peers.py compare CROWD.npz RESULT.npz
.venv-quality-peers/bin/python benchmarks/quality_peers.py million CROWD.npz RESULT.npz
"""

from __future__ import annotations

import functools
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import krippendorff
import numpy as np
import pandas as pd
from cleanlab import multiannotator
from crowdkit.aggregation import DawidSkene, MajorityVote, Wawa

#: Steps of EM in which Dawid and Skene's model is compared.
STEPS = 30
PEERS = ("crowd-kit", "cleanlab", "krippendorff", "numpy", "pandas", "scikit-learn")


def main() -> None:
    """Do what the command line says."""
    what, source, target = sys.argv[1:]
    with np.load(source) as file:
        crowd = {name: file[name] for name in file.files}
    warnings.simplefilter("ignore")  # the peers', about themselves
    found = {"compare": compare, "million": million, "assisted": assisted}[what](crowd)
    versions = [f"{name} {version(name)}" for name in PEERS]
    np.savez(target, versions=np.array(versions), **found)


def compare(crowd: dict[str, Any]) -> dict[str, Any]:
    """Run every peer on one crowd."""
    shared = np.bincount(crowd["row"]).max() > 1
    found = {**_crowd_kit(crowd), "alpha": _alpha(crowd)} if shared else {}
    if "proba" in crowd:
        found |= _crowdlab(crowd) if shared else {}
        found |= _active_lab(crowd)
    return found


def million(crowd: dict[str, Any]) -> dict[str, Any]:
    """Run Dawid-Skene once, and measure it."""
    frame, base, start = _frame(crowd), peak_mb(), time.process_time()
    fitted = DawidSkene().fit(frame)
    seconds = time.process_time() - start
    return {
        "cpu_s": seconds,
        "base_mb": base,
        "peak_mb": peak_mb(),
        "steps": len(fitted.loss_history_),
        "label": fitted.labels_.sort_index().to_numpy(),
    }


def assisted(crowd: dict[str, Any]) -> dict[str, Any]:
    """Run CROWDLAB and ActiveLab once, and measure them."""
    wide = pd.DataFrame(_wide(crowd))
    base, start = peak_mb(), time.process_time()
    options = {"calibrate_probs": False, "verbose": False, "return_weights": True}
    skipped = {"return_detailed_quality": False, "return_annotator_stats": False}
    found = multiannotator.get_label_quality_multiannotator(wide, crowd["proba"], **options, **skipped)
    multiannotator.get_active_learning_scores(wide, crowd["proba"])
    seconds = time.process_time() - start
    label = found["label_quality"]["consensus_label"].to_numpy()
    return {"cpu_s": seconds, "base_mb": base, "peak_mb": peak_mb(), "label": label}


def peak_mb() -> float:
    """Give the most memory that this process had, in MB; getrusage also counts its parent's."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def _frame(crowd: dict[str, Any]) -> Any:
    return pd.DataFrame({"task": crowd["row"], "worker": crowd["annotator"], "label": crowd["label"]})


def _wide(crowd: dict[str, Any]) -> Any:
    """Give (rows, annotators) votes, NaN where there is none."""
    wide = np.full((crowd["row"].max() + 1, crowd["annotator"].max() + 1), np.nan)
    wide[crowd["row"], crowd["annotator"]] = crowd["label"]
    return wide


def _crowd_kit(crowd: dict[str, Any]) -> dict[str, Any]:
    frame, columns = _frame(crowd), range(int(crowd["classes"]))

    def table(proba: Any) -> Any:
        return proba.sort_index().reindex(columns=columns).fillna(0).to_numpy()

    majority, usual = MajorityVote().fit(frame), DawidSkene().fit(frame)
    stepped = DawidSkene(n_iter=STEPS, tol=-np.inf).fit(frame)
    # Skills rest on what a tie became, so rows with tied votes are left out.
    untied = frame[crowd["untied"][crowd["row"]]]
    wawa = Wawa().fit(untied)
    return {
        "majority_proba": table(majority.probas_),
        "majority_label": majority.labels_.sort_index().to_numpy(),
        "ds_proba": table(stepped.probas_),
        "ds_label": stepped.labels_.sort_index().to_numpy(),
        "ds_loss": stepped.loss_history_,
        "ds_usual_steps": len(usual.loss_history_),
        "ds_usual_label": usual.labels_.sort_index().to_numpy(),
        "wawa_proba": table(wawa.predict_proba(untied)),
        "wawa_label": wawa.predict(untied).sort_index().to_numpy(),
        "wawa_skill": wawa.skills_.sort_index().to_numpy(),
    }


def _alpha(crowd: dict[str, Any]) -> float:
    return float(krippendorff.alpha(_wide(crowd).T, level_of_measurement="nominal"))


def _crowdlab(crowd: dict[str, Any]) -> dict[str, Any]:
    """Give CROWDLAB as it comes, and ("first") the quality of the majority by the paper's weights."""
    wide = pd.DataFrame(_wide(crowd))
    options = {"calibrate_probs": False, "return_weights": True, "verbose": False}
    found = {}
    for name, method in (("crowdlab", "best_quality"), ("first", "majority_vote")):
        one = multiannotator.get_label_quality_multiannotator(
            wide, crowd["proba"], consensus_method=method, **options
        )
        found[f"{name}_label"] = one["label_quality"]["consensus_label"].to_numpy()
        found[f"{name}_quality"] = one["label_quality"]["consensus_quality_score"].to_numpy()
        found[f"{name}_weights"] = one["annotator_weight"]
        found[f"{name}_model"] = one["model_weight"]
    return found


def _active_lab(crowd: dict[str, Any]) -> dict[str, Any]:
    """Give ActiveLab as it comes, and ("plain") with neither temperature nor second estimate of weights."""
    wide, proba, unlabelled = pd.DataFrame(_wide(crowd)), crowd["proba"], crowd["unlabelled"]
    scores = multiannotator.get_active_learning_scores
    usual = scores(wide, proba, unlabelled)
    shared = np.bincount(crowd["row"]).max() > 1
    temperature = multiannotator.find_best_temp_scaler(wide.to_numpy(), proba) if shared else 1.0
    once = functools.partial(
        multiannotator.get_label_quality_multiannotator, consensus_method="majority_vote"
    )
    with (
        mock.patch.object(multiannotator, "find_best_temp_scaler", return_value=1.0),
        mock.patch.object(multiannotator, "get_label_quality_multiannotator", once),
    ):
        plain = scores(wide, proba, unlabelled)
    return {
        "active": usual[0],
        "active_new": usual[1],
        "temperature": temperature,
        "plain": plain[0],
        "plain_new": plain[1],
    }


if __name__ == "__main__":
    main()
