"""The results of a study as tables.

``results.csv`` has one row for each label function or control, transfer and kind of test images, and one for each baseline.
Errors and gains are fractions; intervals have the study's confidence.

=========================================  =================================================================================
column                                     meaning
=========================================  =================================================================================
label_function, kind                       such as ``cluster(20)``, ``cluster``; both ``baseline`` for the baselines; such as
                                           ``control: width``, ``control`` for controls
classes, images                            labels, and images that are pretrained on
inside, purity,                            alignment with the coarse target (`theory_sim.labels.alignment.Alignment`); empty
adjusted_mutual_information                where the target is another data set
transfer                                   ``finetune``, ``last_block``, ``linear_probe``, or a readout of the network as it is:
                                           ``sum_logits``, ``sum_probabilities``, ``argmax_parent``; ``baseline`` or ``control``
pretraining_steps, transfer_steps          steps of each; for baselines and controls all of them, and 0
seeds                                      the seeds, separated by blanks
samples                                    ``all`` test images, or ``hard-both``, ``easy-both``, ``mixed-both``, and so on: see
                                           `theory_sim.pretraining.difficulty`
samples_per_seed                           mean number of such images
error, low, high, method                   error on the coarse target, its interval, and what made that
validation_error                           on the validation split (for ``all``)
baseline_error                             of the baseline of as many steps in all, on the same images
gain, gain_low, gain_high, gain_method     error of the baseline − error, paired
p, p_holm                                  one-sided p-value of "no gain", and Holm's correction over the label functions of the
                                           same transfer, its steps and samples, ``split`` included, which controls have not; both
                                           are empty with fewer than five seeds
control_width, control_augmentation,       gains of the controls on images of the same kind, split in the same way; see
control_split                              `theory_sim.pretraining.controls`
=========================================  =================================================================================
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from theory_sim.pretraining.controls import control_name
from theory_sim.pretraining.difficulty import error_within, gain_within, split_images
from theory_sim.pretraining.evaluation import Answers
from theory_sim.pretraining.study import Outcome
from theory_sim.stats import Estimate, error_rate, holm, paired_gain


def labels_table(outcome: Outcome) -> pd.DataFrame:
    """The label functions: classes, images per class, alignment with the coarse target."""
    rows = []
    for labels in outcome.labels:
        aligned = labels.alignment
        rows.append(
            {
                "label_function": labels.name,
                "kind": labels.kind,
                "classes": labels.n_classes,
                "images": len(labels.used),
                "images_of_smallest_class": labels.least,
                "images_of_largest_class": labels.most,
                "inside": None if aligned is None else aligned.inside,
                "purity": None if aligned is None else aligned.purity,
                "adjusted_mutual_information": None if aligned is None else aligned.adjusted_mutual_information,
            }
        )
    return pd.DataFrame(rows)


def results_table(outcome: Outcome) -> pd.DataFrame:
    """All errors and gains; see the module for the columns."""
    study = outcome.study
    rows = [_baseline_row(outcome, total) for total in sorted(outcome.baselines)]
    for (control, total), answers in outcome.controls.items():
        named: dict[str, Any] = {"label_function": control_name(control), "kind": "control", "transfer": "control"}
        named |= {"classes": _coarse_classes(outcome), "pretraining_steps": total, "transfer_steps": 0}
        rows += _rows(outcome, named, answers, total)
    for found in outcome.transferred:
        labels, aligned = found.labels, found.labels.alignment
        named = {"label_function": labels.name, "kind": labels.kind, "classes": labels.n_classes, "images": len(labels.used)}
        for name in ("inside", "purity", "adjusted_mutual_information"):
            named[name] = None if aligned is None else getattr(aligned, name)
        named |= {"transfer": found.transfer, "pretraining_steps": study.pretraining.steps, "transfer_steps": found.steps}
        rows += _rows(outcome, named, found.answers, study.pretraining.steps + found.steps)
    _add_controls(rows)
    table = pd.DataFrame(rows)
    if "p" in table:
        table["p_holm"] = np.nan  # also where no gain has a p-value
        for _, part in table[table.p.notna() & (table.kind != "control")].groupby(["transfer", "transfer_steps", "samples"]):
            table.loc[part.index, "p_holm"] = holm(part.p.tolist())
    return table


def _add_controls(rows: list[dict[str, Any]]) -> None:
    """Put the gains of the controls beside those of the label functions."""
    coarse: dict[tuple[str, int, str], float] = {}
    split: dict[tuple[str, int, str], list[float]] = {}
    for row in rows:
        if row["kind"] == "control":
            coarse[row["label_function"], row["pretraining_steps"], row["samples"]] = row["gain"]
        elif row["kind"] == "split":
            split.setdefault((row["transfer"], row["transfer_steps"], row["samples"]), []).append(row["gain"])
    for row in rows:
        if row["kind"] not in ("baseline", "control"):
            total = row["pretraining_steps"] + row["transfer_steps"]
            for control in ("width", "augmentation"):
                row[f"control_{control}"] = coarse.get((control_name(control), total, row["samples"]))
            gains = split.get((row["transfer"], row["transfer_steps"], row["samples"]))
            row["control_split"] = max(gains) if gains and row["kind"] != "split" else None


def _coarse_classes(outcome: Outcome) -> int | None:
    return int(outcome.labels[0].parent.max()) + 1 if outcome.study.target is None else None


def _baseline_row(outcome: Outcome, total: int) -> dict[str, Any]:
    answers = outcome.baselines[total]
    correct, _ = _stack(answers, "test")
    return {
        "label_function": "baseline",
        "kind": "baseline",
        "classes": _coarse_classes(outcome),
        "transfer": "baseline",
        "pretraining_steps": total,
        "transfer_steps": 0,
        "seeds": " ".join(map(str, answers)),
        "samples": "all",
        "samples_per_seed": correct.shape[1],
        **_estimate(error_rate(correct, outcome.study.confidence), "error", "low", "high", "method"),
        "validation_error": _validation(answers),
    }


def _rows(
    outcome: Outcome, named: dict[str, Any], found: Mapping[int, dict[str, Answers]], total: int
) -> Iterator[dict[str, Any]]:
    """The rows of networks, which are compared with the baselines of as many steps and the same seeds."""
    study, baselines = outcome.study, outcome.baselines.get(total, {})
    seeds = [seed for seed in found if seed in baselines]
    if not seeds:
        return
    mine = {seed: found[seed] for seed in seeds}
    correct, _ = _stack(mine, "test")
    before, confidence = _stack({seed: baselines[seed] for seed in seeds}, "test")
    kinds = {"all": np.ones_like(before)}
    for how in study.splits:
        kinds |= {f"{kind}-{how}": chosen for kind, chosen in split_images(how, before, confidence, correct).items()}
    for samples, chosen in kinds.items():
        error = _error(correct, chosen, study.confidence)
        if samples == "all":
            gain = paired_gain(before, correct, study.confidence)
        else:
            gain = gain_within(before, correct, chosen, study.confidence)
        yield {
            **named,
            "seeds": " ".join(map(str, seeds)),
            "samples": samples,
            "samples_per_seed": chosen.sum(1).mean(),
            **_estimate(error, "error", "low", "high", "method"),
            "validation_error": _validation(mine) if samples == "all" else None,
            "baseline_error": _error(before, chosen, study.confidence).value,
            **_estimate(gain, "gain", "gain_low", "gain_high", "gain_method"),
            "p": gain.p,
        }


def _error(correct: np.ndarray, chosen: np.ndarray, confidence: float) -> Estimate:
    return error_rate(correct, confidence) if chosen.all() else error_within(correct, chosen, confidence)


def _stack(answers: dict[int, dict[str, Answers]], split: str) -> tuple[np.ndarray, np.ndarray]:
    correct = np.stack([of_seed[split].correct.numpy() for of_seed in answers.values()])
    return correct, np.stack([of_seed[split].confidence.numpy() for of_seed in answers.values()])


def _validation(answers: dict[int, dict[str, Answers]]) -> float:
    return float(1 - _stack(answers, "validation")[0].mean())


def _estimate(estimate: Estimate, *names: str) -> dict[str, Any]:
    return dict(zip(names, (estimate.value, estimate.low, estimate.high, estimate.method), strict=True))
