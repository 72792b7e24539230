"""The results of a study as tables.

``results.csv`` has one row for each label function, transfer and kind of test images, and one for each baseline. Errors and
gains are fractions; intervals have the study's confidence.

=========================================  =================================================================================
column                                     meaning
=========================================  =================================================================================
label_function, kind                       such as ``cluster(20)``, ``cluster``; both ``baseline`` for the baselines
classes, images                            labels, and images that are pretrained on
inside, purity,                            alignment with the coarse target (`theory_sim.labels.alignment.Alignment`); empty
adjusted_mutual_information                where the target is another data set
transfer                                   ``finetune``, ``last_block``, ``linear_probe``, or a readout of the network as it is:
                                           ``sum_logits``, ``sum_probabilities``, ``argmax_parent``
pretraining_steps, transfer_steps          steps of each
seeds                                      the seeds, separated by blanks
samples                                    ``all`` test images, or ``hard-misclassified``, ``easy-misclassified``,
                                           ``hard-unconfident``, ``easy-unconfident``: see `theory_sim.pretraining.difficulty`
samples_per_seed                           mean number of such images
error, low, high, method                   error on the coarse target, its interval, and what made that
validation_error                           on the validation split (for ``all``)
baseline_error                             of the baseline of as many steps in all, on the same images
gain, gain_low, gain_high, gain_method     error of the baseline − error, paired
p, p_holm                                  one-sided p-value of "no gain", and Holm's correction over the label functions of the
                                           same transfer and samples; for ``all`` empty with fewer than five seeds
=========================================  =================================================================================
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from theory_sim.pretraining.difficulty import DIFFICULTIES, error_within, gain_within, hard_images
from theory_sim.pretraining.evaluation import Answers
from theory_sim.pretraining.study import Outcome, Transferred
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
    rows = [row for total in sorted(outcome.baselines) for row in _baseline_rows(outcome, total)]
    for found in outcome.transferred:
        rows += _rows(outcome, found)
    table = pd.DataFrame(rows)
    if "p" in table:
        table["p_holm"] = np.nan  # also where no gain has a p-value
        for _, part in table[table.p.notna()].groupby(["transfer", "transfer_steps", "samples"]):
            table.loc[part.index, "p_holm"] = holm(part.p.tolist())
    return table


def _baseline_rows(outcome: Outcome, total: int) -> Iterator[dict[str, Any]]:
    answers = outcome.baselines[total]
    correct, confidence = _stack(answers, "test")
    for samples, chosen in _kinds(correct, confidence):
        error = _error(correct, chosen, outcome.study.confidence)
        yield {
            "label_function": "baseline",
            "kind": "baseline",
            "classes": outcome.labels[0].parent.max().item() + 1 if outcome.study.target is None else None,
            "transfer": "baseline",
            "pretraining_steps": total,
            "transfer_steps": 0,
            "seeds": " ".join(map(str, answers)),
            "samples": samples,
            "samples_per_seed": chosen.sum(1).mean(),
            **_estimate(error, "error", "low", "high", "method"),
            "validation_error": _validation(answers) if samples == "all" else None,
        }


def _rows(outcome: Outcome, found: Transferred) -> Iterator[dict[str, Any]]:
    study, labels = outcome.study, found.labels
    baselines = outcome.baselines.get(study.pretraining.steps + found.steps, {})
    seeds = [seed for seed in found.answers if seed in baselines]
    if not seeds:
        return
    mine = {seed: found.answers[seed] for seed in seeds}
    correct, _ = _stack(mine, "test")
    every, confidence = _stack(baselines, "test")
    places = [list(baselines).index(seed) for seed in seeds]
    for samples, of_all in _kinds(every, confidence):
        chosen, before = of_all[places], every[places]
        error = _error(correct, chosen, study.confidence)
        if samples == "all":
            gain = paired_gain(before, correct, study.confidence)
        else:
            gain = gain_within(before, correct, chosen, study.confidence)
        aligned = labels.alignment
        yield {
            "label_function": labels.name,
            "kind": labels.kind,
            "classes": labels.n_classes,
            "images": len(labels.used),
            "inside": None if aligned is None else aligned.inside,
            "purity": None if aligned is None else aligned.purity,
            "adjusted_mutual_information": None if aligned is None else aligned.adjusted_mutual_information,
            "transfer": found.transfer,
            "pretraining_steps": study.pretraining.steps,
            "transfer_steps": found.steps,
            "seeds": " ".join(map(str, seeds)),
            "samples": samples,
            "samples_per_seed": chosen.sum(1).mean(),
            **_estimate(error, "error", "low", "high", "method"),
            "validation_error": _validation(mine) if samples == "all" else None,
            "baseline_error": _error(before, chosen, study.confidence).value,
            **_estimate(gain, "gain", "gain_low", "gain_high", "gain_method"),
            "p": gain.p,
        }


def _kinds(correct: np.ndarray, confidence: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """All test images, and for each definition the hard and the easy ones of each seed."""
    yield "all", np.ones_like(correct)
    for how in DIFFICULTIES:
        hard = hard_images(correct, confidence, how)
        if hard is not None:
            yield f"hard-{how}", hard
            yield f"easy-{how}", ~hard


def _error(correct: np.ndarray, chosen: np.ndarray, confidence: float) -> Estimate:
    return error_rate(correct, confidence) if chosen.all() else error_within(correct, chosen, confidence)


def _stack(answers: dict[int, dict[str, Answers]], split: str) -> tuple[np.ndarray, np.ndarray]:
    correct = np.stack([of_seed[split].correct.numpy() for of_seed in answers.values()])
    return correct, np.stack([of_seed[split].confidence.numpy() for of_seed in answers.values()])


def _validation(answers: dict[int, dict[str, Answers]]) -> float:
    return float(1 - _stack(answers, "validation")[0].mean())


def _estimate(estimate: Estimate, *names: str) -> dict[str, Any]:
    return dict(zip(names, (estimate.value, estimate.low, estimate.high, estimate.method), strict=True))
