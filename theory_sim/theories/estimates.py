"""What claims and measures of several theories are about: errors, the training loss, and the time at which a level is passed."""

from dataclasses import replace

import numpy as np

from theory_sim import stats
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate


def correct(results: Results, network: str, kind: str, readout: str | None = None) -> np.ndarray:
    """Probability of the right answer by a readout, the first of the configuration if none is named: (replica, sample)."""
    by = readout or results.config.transfer.readouts[0]
    correct: np.ndarray = results.records[network].test_correct.sel(kind=kind, test_readout=by).values
    return correct


def error(network: str, kind: str, results: Results) -> Estimate:
    """Error on a kind of test samples by the first readout, see `theory_sim.stats.error_rate`."""
    return stats.error_rate(correct(results, network, kind), results.config.claims.confidence)


def final_loss(network: str, results: Results) -> Estimate:
    """Training loss at the end of training, on a batch of the training law."""
    final, confidence = results.records[network].final_loss.values, results.config.claims.confidence
    if len(final) > 1:
        return stats.positive_mean(final.mean(1), confidence)
    of_one = stats.bootstrap([final[0].astype(float)], np.mean, confidence, vectorized=True)
    return replace(of_one, notes=(stats.ONE_REPLICA,))


def passed(at: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    """First time at which values pass a level from below, linear between points; NaN where they do not.

    Args:
        at: times, (time).
        values: (replica, time).
        level: the level.
    """
    times = np.full(len(values), np.nan)
    for r, own in enumerate(values):
        if (above := own >= level).any():
            last = int(above.argmax())
            before, after = max(0, last - 1), last
            rise = own[after] - own[before]
            times[r] = at[before] + ((level - own[before]) / rise if rise else 0.0) * (at[after] - at[before])
    return times
