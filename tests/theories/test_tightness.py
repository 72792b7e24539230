"""Beyond the assumptions: the number of samples that is needed, and trends on tables made by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theory_sim.studies.decision import run_study
from theory_sim.studies.study import load_study
from theory_sim.theories.label_granularity import tightness
from theory_sim.theories.theory import THEORIES
from theory_sim.theories.trends import by_id


def decide(id_: str, rows: pd.DataFrame) -> str:
    return by_id(THEORIES["label-granularity"].trends, id_).decide(rows, 0.95).decision


def test_needed_by_hand() -> None:
    n = np.array([8.0, 16.0, 32.0, 64.0])
    assert tightness.needed(n, np.array([0.4, 0.2, 0.02, 0.0])) == pytest.approx(16 * 2 ** (0.15 / 0.18))
    assert tightness.needed(n[::-1], np.array([0.0, 0.02, 0.2, 0.4])) == pytest.approx(16 * 2 ** (0.15 / 0.18)), "any order"
    assert tightness.needed(n, np.array([0.0, 0.2, 0.05, 0.0])) == pytest.approx(32), "from which on"
    assert math.isnan(tightness.needed(n, np.array([0.4, 0.3, 0.2, 0.1])))
    assert math.isnan(tightness.needed(n, np.zeros(4)))
    assert math.isnan(tightness.needed(n, np.array([0.4, 0.2, 0.0, math.nan])))


def subclasses(coarse: float, fine: float, spread: float = 0.01) -> pd.DataFrame:
    """Eight replicas for three k; the largest one has other errors than the others."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "cell": k,
            "replica": replica,
            "tree.subclasses": k,
            "test-samples": 1000.0,
            "chance": 0.5,
            "coarse-hard-error": float(np.clip((coarse if k == 31 else 0.8) + spread * rng.normal(), 0, 1)),
            "fine-hard-error-sums": float(np.clip((fine if k == 31 else 0.0) + (k == 31) * spread * rng.normal(), 0, 1)),
        }
        for k in (5, 15, 31)
        for replica in range(8)
    )


def test_every_number_of_subclasses_decides() -> None:
    assert decide("many-subclasses-coarse", subclasses(0.8, 0.0)) == "holds"
    assert decide("many-subclasses-coarse", subclasses(0.3, 0.0)) == "refuted"
    assert decide("many-subclasses-coarse", subclasses(0.52, 0.0, 0.1)) == "undecided"
    assert decide("many-subclasses-sums", subclasses(0.8, 0.0, 0.001)) == "holds"
    assert decide("many-subclasses-sums", subclasses(0.8, 0.2)) == "refuted"
    assert decide("many-subclasses-sums", subclasses(0.8, 0.05, 0.03)) == "undecided"
    failed = subclasses(0.8, 0.0)
    failed.loc[3, ["coarse-hard-error", "fine-hard-error-sums"]] = math.nan
    assert decide("many-subclasses-sums", failed) == "no result"


def test_no_error_in_a_few_samples_does_not_hold() -> None:
    """Eight replicas without an error on ten samples each."""
    assert decide("many-subclasses-sums", subclasses(0.8, 0.0, 0.0).assign(**{"test-samples": 10.0})) == "undecided"


def samples(power: float, spread: float = 0.02) -> pd.DataFrame:
    """A leaf without a sample is not learned: error ½·exp(−n/k^power)."""
    rng = np.random.default_rng(0)
    rows = []
    for replica in range(10):
        for k in (4, 8, 16):
            luck = math.exp(spread * rng.normal())
            for n in (2.0**i for i in range(1, 12)):
                error = 0.5 * math.exp(-n / (luck * k**power))
                rows.append(
                    {"replica": replica, "tree.subclasses": k, "data.training_samples": n, "fine-hard-error-argmax": error}
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("power", "least", "most"), [(1.0, "holds", "holds"), (0.5, "refuted", "holds"), (1.6, "holds", "refuted")]
)
def test_exponent(power: float, least: str, most: str) -> None:
    assert decide("sample-complexity-argmax-least", samples(power)) == least
    assert decide("sample-complexity-argmax-most", samples(power)) == most


def test_exponent_that_is_not_known() -> None:
    assert decide("sample-complexity-argmax-most", samples(1.0, 0.5)) == "undecided"
    never = samples(1.0)
    never.loc[never.replica == 3, "fine-hard-error-argmax"] = 0.2
    assert decide("sample-complexity-argmax-most", never) == "no result"


@pytest.mark.parametrize("name", ["many_subclasses", "sample_complexity"])
def test_tightness_studies_run(name: str, small_studies: Path) -> None:
    study = load_study(name)
    done, answer = run_study(study, smoke=True, out=small_studies, device="cpu", jobs=0)
    assert not done.failed
    assert [trend.id for trend in answer.trends] == study.trends
