"""The number of replicas that a gain takes, against simulated studies."""

import numpy as np
import pytest
from scipy import stats

from theory_sim.runtime.errors import InputError
from theory_sim.stats import FEW, replicas_needed


@pytest.mark.parametrize(("spread", "tests"), [(0.5, 1), (1.0, 1), (0.8, 12)])
def test_simulated_studies_show_the_gain_as_often_as_stated(spread, tests):
    needed = replicas_needed(1.0, spread, power=0.8, tests=tests)

    def share(replicas):
        """Of 20,000 studies; its standard deviation is 0.003."""
        gains = np.random.default_rng(1).normal(1.0, spread, (20_000, replicas))
        p = stats.ttest_1samp(gains, 0, axis=1, alternative="greater").pvalue
        return (p < min(0.05 / tests, 0.025)).mean()

    assert share(needed) > 0.8 - 0.012
    if needed > FEW:
        assert share(needed - 1) < 0.8 + 0.012


def test_known_values():
    # G*Power and R's power.t.test(delta=1, sd=1, sig.level=0.025, power=0.9, type="one.sample", alternative="one.sided"): 12.6
    assert replicas_needed(1.0, 1.0) == 13
    assert replicas_needed(2.0, 2.0) == 13, "only the ratio counts"
    assert replicas_needed(1.0, 0.0) == replicas_needed(1.0, 0.01) == FEW
    # Many replicas: the normal law's (1.96 + 1.28)² / 0.04²; it was refused as more than 10,000.
    assert replicas_needed(0.04, 1.0) == pytest.approx(6567, abs=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 1), "expected gain > 0"), ((1, float("nan")), "spread"), ((1, 1, 1.0), "power"), ((1e-3, 1), "more than 10000")],
)
def test_what_cannot_be_decided_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        replicas_needed(*arguments)
