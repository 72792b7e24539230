"""The paper's two theorems as nine claims, each a number with an interval, a bound and a verdict.

A claim holds when its whole interval lies on the right side of its bound. The statements are the abstract's [paper];
that they are decided by these numbers and bounds is ours.

Growth of a response: with ρ_t(c, v) = Σ_r a_{c,r} ReLU(⟨w_{c,r}, v⟩ + b_{c,r}) after t steps, and h(y, c) the head that
a leaf is trained on, the growth ratio is

    mean over leaves of [ρ_T − ρ_0](h(y, c), v_{y,c})  ÷  mean over leaves of [ρ_T − ρ_0](h(y, c), v_y).
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.labels.functions import label_function
from theory_sim.runs.run import Results
from theory_sim.runtime.storage import without_nan
from theory_sim.stats import Estimate

IDS = (
    "coarse-training-loss",
    "coarse-easy-error",
    "coarse-hard-error",
    "coarse-rare-growth",
    "fine-training-loss",
    "fine-easy-error",
    "fine-hard-error",
    "fine-rare-growth",
    "transfer-gain",
)
"""The claims, in the order of the theorems."""


@dataclass(frozen=True)
class Claim:
    """One claim, decided.

    Attributes:
        id: its name.
        statement: what it says.
        estimate: the number, its interval and method.
        side: ``≤``, ``≥`` or ``>``: where the interval must lie.
        bound: of what.
        max_p: the largest p-value allowed, for claims that a test decides as well.
    """

    id: str
    statement: str
    estimate: Estimate
    side: str
    bound: float
    max_p: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the whole interval lies on the right side, and the p-value is small enough where one is asked for."""
        e = self.estimate
        right = {"≤": e.high <= self.bound, "≥": e.low >= self.bound, ">": e.low > self.bound}[self.side]
        return bool(right and (self.max_p is None or (e.p is not None and e.p < self.max_p)))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: undefined numbers are null."""
        e = self.estimate
        entry: dict[str, Any] = {
            "id": self.id,
            "statement": self.statement,
            "estimate": e.value,
            "ci": [e.low, e.high],
            "method": e.method,
            "side": self.side,
            "bound": self.bound,
            "holds": self.holds,
        }
        if self.max_p is not None:
            entry |= {"p": e.p, "max_p": self.max_p}
        return {key: without_nan(value) for key, value in entry.items()}


def evaluate_claims(results: Results) -> list[Claim]:
    """All nine claims on the results of an experiment, in the order of the theorems."""
    config, bounds = results.config, results.config.claims
    readout = config.transfer.readouts[0]
    k = config.label_tree.n_leaves / config.label_tree.n_coarse
    coarse_growth = 1 / k if bounds.coarse_rare_growth == "1/k" else bounds.coarse_rare_growth
    correct = {
        (name, kind): data.test_correct.sel(kind=kind, test_readout=readout).values
        for name, data in (("coarse", results.coarse), ("fine", results.fine))
        for kind in ("easy", "hard")
    }

    def error(model: str, kind: str) -> Estimate:
        return stats.error_rate(correct[model, kind], bounds.confidence)

    gain = stats.paired_gain(correct["coarse", "hard"], correct["fine", "hard"], bounds.confidence)
    return [
        Claim(
            "coarse-training-loss",
            "the coarse model's training loss is small",
            _loss(results.coarse, config),
            "≤",
            bounds.training_loss,
        ),
        Claim("coarse-easy-error", "it classifies easy test samples", error("coarse", "easy"), "≤", bounds.easy_error),
        Claim("coarse-hard-error", "but not hard ones", error("coarse", "hard"), "≥", bounds.coarse_hard_error),
        Claim(
            "coarse-rare-growth",
            "its response to rare features grows little: growth for v_yc ÷ growth for v_y",
            _growth(results.coarse, config),
            "≤",
            coarse_growth,
        ),
        Claim(
            "fine-training-loss",
            "the fine model's training loss is small",
            _loss(results.fine, config),
            "≤",
            bounds.training_loss,
        ),
        Claim("fine-easy-error", f"it classifies easy test samples ({readout})", error("fine", "easy"), "≤", bounds.easy_error),
        Claim("fine-hard-error", f"and hard ones ({readout})", error("fine", "hard"), "≤", bounds.fine_hard_error),
        Claim(
            "fine-rare-growth",
            "its response to rare features grows: growth for v_yc ÷ growth for v_y, own head",
            _growth(results.fine, config),
            "≥",
            bounds.fine_rare_growth,
        ),
        Claim("transfer-gain", "fine labels lower the hard error, paired by replica", gain, ">", 0.0, bounds.transfer_gain_p),
    ]


def _loss(data: xr.Dataset, config: Config) -> Estimate:
    """Training loss where training ended, on a batch of the training law."""
    final, confidence = data.final_loss.values, config.claims.confidence
    if len(final) > 1:
        return stats.mean(final.mean(1), confidence)
    return stats.bootstrap([final[0]], lambda loss: float(np.mean(loss)), confidence)


def growth_by_leaf(data: xr.Dataset, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Growth of each leaf's own head's response: to its rare feature, and to its common one; (replica, leaf) each.

    A leaf that is itself a coarse class has no rare feature and is left out; clusters are no leaf's own.
    """
    tree = config.label_tree
    labels = label_function(data.attrs["labels"], tree, config.data.training_samples)
    if labels.placeholder:
        return np.zeros((data.sizes["replica"], 0)), np.zeros((data.sizes["replica"], 0))
    grown = data.response.isel(step=-1).values.astype(float) - data.response.isel(step=0).values
    own, common, rare = labels.leaf_label.numpy(), tree.coarse_of_leaf.numpy(), np.array(tree.leaves)
    kept = common != rare
    return grown[:, own[kept], rare[kept]], grown[:, own[kept], common[kept]]


def _growth(data: xr.Dataset, config: Config) -> Estimate:
    rare, common = growth_by_leaf(data, config)
    if not rare.size:
        return stats.undefined("no leaf has a rare feature and a head of its own")
    if (common.mean(1) <= 0).any():
        return stats.undefined("the response to common features did not grow")
    if len(rare) > 1:
        return stats.mean(rare.mean(1) / common.mean(1), config.claims.confidence)
    return stats.bootstrap([rare[0], common[0]], lambda r, c: r.mean() / c.mean(), config.claims.confidence, "leaves")


def certificates(results: Results) -> dict[str, Any]:
    """What the engine left out, by model, where it did: a `theory_sim.training.engines.lucky.certificate.Certificate` with its
    total.
    """
    by_model = {data.attrs["model"]: json.loads(data.attrs["certificate"]) for data in (results.coarse, results.fine)}
    return {model: certificate for model, certificate in by_model.items() if certificate is not None}


def report(results: Results, claims: list[Claim], regime: list[Any]) -> dict[str, Any]:
    """What ``theory-sim verify --json`` writes."""
    return {
        "config": results.config.model_dump(mode="json"),
        "claims": [claim.as_dict() for claim in claims],
        "regime": [asdict(line) for line in regime],
        "alignment": {data.attrs["model"]: json.loads(data.attrs["alignment"]) for data in (results.coarse, results.fine)},
        "certificate": certificates(results),
        "environment": results.environment,
    }
