"""Networks of benign overfitting trained and tested by inner products, against the engine `gradient` and full test samples."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import theory_sim as ts
from theory_sim.runtime.errors import InputError
from theory_sim.studies import grids
from theory_sim.theories.benign_overfitting import comparison, span
from theory_sim.theories.benign_overfitting.span import Cell
from theory_sim.training.evaluation import evaluate
from theory_sim.training.trainer import Training

THEORY = ts.THEORIES["benign-overfitting"]
SMALL = {"replicas": 3, "data.dim": 40, "training.dtype": "float64"}


def trained(config):
    training = Training(config)
    with torch.no_grad():
        for _ in range(config.training.steps):
            training.step()
    return training


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"engine.pooling": "sum"},
        {"training.step_size.network": 0.03, "law.signal": 0.0},
        {"law.orthogonal": True, "law.noise_std": 0.7},
        {"law.flip": 0.4, "data.training_samples": 7, "network.neurons": 3},
        {"law.reversed_test": True, "training.steps": 0},
    ],
    ids=str,
)
def test_training_gives_the_numbers_of_the_engine(changes):
    config = THEORY.config(SMALL | changes)
    found = Cell(config).train(config.engine["pooling"], config.training.step_size["network"])
    training = trained(config)
    engine = training.models["network"].engine
    weight = engine.parameters.weight.flatten(1, 2)
    np.testing.assert_allclose(found.weight_products, weight @ weight.mT, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.signal, weight[..., 0], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.bias, engine.bias.flatten(1), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.loss, training.next_losses()["network"].mean(1), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"law.orthogonal": True},
        {"law.reversed_test": True, "law.noise_std": 2.0},
        {"law.signal": 0.5},
        # Covariances that have no Cholesky factor: of more neurons than dimensions.
        {"data.dim": 12},
        {"data.dim": 20, "law.orthogonal": True},
    ],
    ids=str,
)
def test_the_test_has_the_law_of_full_samples(changes):
    """The same networks, tested on 20,000 samples either way: equal shares of errors (chi-squared, corrected)."""
    config = THEORY.config(SMALL | {"replicas": 4, "test.samples": 20_000, "law.signal": 2.0} | changes)
    cell = Cell(config)
    few = cell.test([cell.train("mean", 0.1)])[0]
    with torch.no_grad():
        full = 1 - evaluate(trained(config))["network"].correct[:, 0, :, 0].mean(1).numpy()
    assert len(set(np.round(full, 3))) > 1
    for one, other in zip(few, full, strict=True):
        counts = np.round(20_000 * np.array([[one, 1 - one], [other, 1 - other]]))
        assert stats.chi2_contingency(counts).pvalue > 1e-3 / 16


def test_a_factor_of_one_network_does_not_depend_on_the_others():
    own = torch.eye(3, dtype=torch.float64) + 0.5
    singular = torch.ones(3, 3, dtype=torch.float64)
    found = span._factor(torch.stack([own, singular]))
    assert torch.equal(found[0], torch.linalg.cholesky(own))
    torch.testing.assert_close(found @ found.mT, torch.stack([own, singular]))


def test_a_sum_is_a_mean_with_a_larger_step_and_start():
    """Sum over patches with step η: the same function as the mean with step 4 η and twice the initial weights, bit for bit."""
    one, other = (Cell(THEORY.config({"replicas": 3, "data.dim": 100, "engine.init_scale": scale})) for scale in (1.0, 2.0))
    summed, averaged = one.train("sum", 0.1), other.train("mean", 0.4)
    np.testing.assert_array_equal(summed.loss, averaged.loss)
    np.testing.assert_array_equal(one.test([summed]), other.test([averaged]))


def test_readings_have_numbers_of_their_own():
    cell = Cell(THEORY.config(SMALL))
    networks = [cell.train("mean", 0.1), cell.train("sum", 0.1), cell.train("mean", 0.03)]
    errors = cell.test(networks)
    assert errors.shape == (3, 3)
    np.testing.assert_array_equal(errors[:1], cell.test(networks[:1]))
    assert networks[1].loss.mean() < networks[0].loss.mean() < networks[2].loss.mean()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine.activation": "z^2"}, "activation: relu"),
        ({"engine.biases": "frozen"}, "biases: trained"),
        ({"engine.phases": [{"momentum": 0.5}]}, "no phases"),
        ({"training.batch": 20}, "batch: full"),
        ({"test.noisy_labels": False}, "test.noisy_labels: true"),
        ({"labels.network": "random(2)"}, "labels.network: leaf"),
    ],
)
def test_other_networks_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Cell(THEORY.config(SMALL | changes))


@pytest.mark.parametrize("step_size", [-0.1, 0.0])
def test_steps_that_are_not_positive_are_refused(step_size):
    with pytest.raises(InputError, match=r"step_size: should be greater than 0"):
        Cell(THEORY.config(SMALL)).train("sum", step_size)


TINY = grids.GridStudy.model_validate(
    grids.BENIGN_OVERFITTING.model_dump()
    | {"dims": [100, 200, 300], "signals": [0.0, 1.0, 2.0, 6.0], "runs": 3, "test_samples": 50}
)


def test_a_grid_goes_on_row_by_row(tmp_path):
    """An interrupted grid makes the missing rows alone, and its table is that of one made at once, whatever the processes."""
    whole = grids.run_grid(TINY, tmp_path / "whole", jobs=2)
    made = []

    def stop(progress):
        made.append(progress.done)
        if progress.done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grids.run_grid(TINY, tmp_path / "parts", jobs=0, on_progress=stop)
    assert grids.find_grid(TINY, tmp_path / "parts") is None
    parts = grids.run_grid(TINY, tmp_path / "parts", jobs=0, on_progress=stop)
    assert made == [4, 8, 12]
    tables = [grids.find_grid(TINY, tmp_path / name) for name in ("whole", "parts")]
    pd.testing.assert_frame_equal(*tables)
    assert len(tables[0]) == 3 * 4 * 3 * 3
    assert str(whole.agreements) == str(parts.agreements)
    verdict = json.loads((whole.folder / "verdict.json").read_text())
    assert verdict["agreements"][0]["cells"] == 12
    # A cell is that of a configuration of its own.
    config = TINY.cell(TINY.config, 200, 2.0)
    cell = Cell(config)
    own = tables[0].query("dim == 200 and signal == 2 and reading == 'sum, step 0.1'")
    np.testing.assert_array_equal(own.error, cell.test([cell.train("sum", 0.1)])[0])
    seeds = {TINY.cell(TINY.config, dim, s).seed for dim in TINY.dims for s in TINY.signals}
    assert len(seeds) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": 1}, "runs: should be greater than or equal to 2"),
        ({"readings": [{"pooling": "sum", "step_size": -0.1}]}, r"readings\[0\]\.step_size: should be greater than 0, got -0.1"),
        ({"readings": 2 * [{"pooling": "sum", "step_size": 0.1}]}, "readings: 'sum, step 0.1' is given twice"),
        ({"dims": [100, 100]}, "dims: 100 is given twice"),
        ({"dims": [10**5]}, "dims: should be less than 100000"),
        ({"signals": [0.0, 0.0004]}, "signals: each should be a multiple of 0.001"),
        ({"signals": [0.3, 0.1 * 3]}, "signals: 0.3 is given twice"),
        ({"signals": [100.0]}, "signals: should be less than 100"),
        ({"seed": 10**9}, "seed: should be less than"),
    ],
    ids=str,
)
def test_grids_that_cannot_be_meant_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        TINY.replace(change)


def test_no_two_cells_have_one_seed():
    """Also at the ends of what may be asked for; a strength between is refused."""
    seeds = [
        TINY.replace({"seed": seed}).cell(TINY.config, dim, signal).seed
        for seed in (0, 1, 9 * 10**8 - 1)
        for dim in (1, 2, 10**5 - 1)
        for signal in (0.0, 0.001, 99.999)
    ]
    assert len(set(seeds)) == len(seeds)
    with pytest.raises(InputError, match=r"multiple of 0\.001"):
        TINY.cell(TINY.config, 100, 0.0004)


def test_damaged_tables_are_said_to_be_damaged(tmp_path):
    """Before any row is computed. Once a damaged row is deleted, it alone is computed again, with the same numbers."""
    folder = grids.run_grid(TINY, tmp_path, jobs=0).folder
    whole = grids.find_grid(TINY, tmp_path)
    row, table = folder / "rows" / "300.parquet", folder / grids.TABLE
    (folder / "rows" / "100.parquet").unlink()
    for damaged in (row.read_bytes()[:1000], b"", (folder / "rows" / "200.parquet").read_bytes()[:-1] + b"?"):
        row.write_bytes(damaged)
        with pytest.raises(InputError, match=r"300\.parquet is damaged; delete it"):
            grids.run_grid(TINY, tmp_path, jobs=0)
        assert not (folder / "rows" / "100.parquet").exists()
    pd.DataFrame({"a": [1]}).to_parquet(row)
    with pytest.raises(InputError, match=r"300\.parquet is damaged; delete it"):
        grids.run_grid(TINY, tmp_path, jobs=0)
    row.unlink()
    table.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"table\.parquet is damaged; delete it"):
        grids.find_grid(TINY, tmp_path)
    table.unlink()
    grids.run_grid(TINY, tmp_path, jobs=0)
    pd.testing.assert_frame_equal(grids.find_grid(TINY, tmp_path), whole)


def made_up(rng, shift=0.0, extra=0.0):
    """Errors of a grid and of a published one, of a known law: a run's standard deviation is 0.05."""
    dims, signals = np.arange(100, 300, 10), np.arange(0, 10, 0.5)
    truth = 0.1 + 0.4 / (1 + (20 * signals**4 / (3 * dims[:, None])))
    runs = truth[..., None] + shift + 0.05 * rng.standard_normal((*truth.shape, 10))
    index = pd.MultiIndex.from_product([dims, signals, range(10)], names=["dim", "signal", "run"])
    table = pd.DataFrame({"error": runs.ravel()}, index).reset_index().assign(reading="mean, step 0.1")
    other = truth + 0.05 / 10**0.5 * rng.standard_normal(truth.shape) + extra * rng.standard_normal(truth.shape)
    return table, pd.DataFrame(other, pd.Index(dims, name="d"), signals)


def test_agreement_finds_what_is_there():
    """Equal laws: no difference, z of standard deviation 1; a planted shift, or scatter beyond the runs', is found."""
    same = comparison.agreements(*made_up(np.random.default_rng(0)))
    assert [each.part for each in same] == list(comparison.QUARTERS)
    assert abs(same[0].difference) < 4 * same[0].error
    assert same[0].error == pytest.approx(0.05 * (2 / 10 / 400) ** 0.5, rel=0.05)
    assert all(0.75 < each.spread < 1.25 for each in same)
    assert 0.9 < same[0].spread < 1.1
    shifted = comparison.agreements(*made_up(np.random.default_rng(0), shift=0.01))
    assert shifted[0].difference == pytest.approx(0.01, abs=4 * same[0].error)
    assert comparison.agreements(*made_up(np.random.default_rng(0), extra=0.03))[0].spread > 1.4


def test_the_transition_is_found():
    """Errors that are a function of n s⁴/d cross their middle where n s⁴ = 3 d."""
    _, errors = made_up(np.random.default_rng(1))
    dims, signals = errors.index.to_numpy(float), np.arange(0, 10, 0.1)
    exact = pd.DataFrame(0.1 + 0.4 / (1 + (20 * signals**4 / (3 * dims[:, None]))), errors.index, signals)
    border, exponent, constant = comparison.transition(exact, 20, 0.1)
    assert len(border) == len(dims)
    assert exponent.value == pytest.approx(1, abs=0.03)
    assert constant * 200**exponent.value == pytest.approx(3 * 200, rel=0.1)


def of_ratio(dims, signals):
    """Errors that are a function of n s⁴/d, and halfway from 1/2 to p where n s⁴ = 3 d."""
    return pd.DataFrame(0.1 + 0.4 / (1 + 20 * signals**4 / (3 * dims[:, None])), dims, signals)


@pytest.mark.parametrize("step", [0.1, 0.5])
def test_the_exponent_does_not_depend_on_the_step_of_the_table(step):
    """The law e = 1 is found on our grid and on the package's published table: exactly, and within the interval with noise.

    Five columns of the thinned table, 2 in s, were once averaged as those of our grid, 0.4 in s: e was 0.954 [0.940, 0.967].
    """
    rng, exact = np.random.default_rng(0), of_ratio(np.arange(100.0, 1100, 100), np.arange(0, 10, step))
    _, exponent, constant = comparison.transition(exact, 20, 0.1)
    assert exponent.value == pytest.approx(1, abs=0.004)
    assert constant == pytest.approx(3, rel=0.03)
    found = [comparison.transition(exact + 0.013 * rng.standard_normal(exact.shape), 20, 0.1)[1] for _ in range(40)]
    assert sum(each.low <= 1 <= each.high for each in found) >= 34
    error = np.std([each.value for each in found], ddof=1) / len(found) ** 0.5
    assert abs(np.mean([each.value for each in found]) - 1) < 3 * error


def test_the_border_of_our_grid_is_averaged_over_five_columns():
    """At steps of 0.1, 0.4 in s are five columns, at the first and last strengths fewer."""
    rng = np.random.default_rng(2)
    errors = of_ratio(np.arange(100.0, 1100, 100), np.arange(100) / 10) + 0.02 * rng.standard_normal((10, 100))
    smooth = errors.T.rolling(5, center=True, min_periods=1).mean().T
    own = []
    for d, row in smooth.iterrows():
        right = int(np.flatnonzero(row.to_numpy() < 0.3)[0])
        own.append((d, np.interp(-0.3, -row.to_numpy()[right - 1 : right + 1], row.index[right - 1 : right + 1])))
    border, _, _ = comparison.transition(errors, 20, 0.1)
    np.testing.assert_allclose(border, own, rtol=1e-12)


def test_errors_that_a_published_table_lacks_are_left_out():
    errors = of_ratio(np.arange(100.0, 1100, 100), np.arange(100) / 10)
    errors.iloc[3, 90:] = np.nan
    pd.testing.assert_frame_equal(
        comparison.transition(errors, 20, 0.1)[0], comparison.transition(errors.fillna(0.1), 20, 0.1)[0], rtol=1e-3
    )
    assert len(comparison.transition(errors, 20, 0.1)[0]) == 10


def test_the_published_table():
    table = comparison.published_errors()
    assert table.shape == (10, 20)
    assert float(table.loc[100, 0.0]) == 0.4978


def test_a_wrong_table_is_refused(tmp_path):
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no table of errors with a column d"):
        comparison.published_errors(tmp_path / "wrong.csv")


def test_a_table_without_common_cells_is_refused_before_the_work(tmp_path):
    other = grids.GridStudy.model_validate(TINY.model_dump() | {"dims": [101]})
    with pytest.raises(InputError, match="no cell in common"):
        grids.run_grid(other, tmp_path, jobs=0)
    assert not list(tmp_path.rglob("*.parquet"))
