"""`theory_sim.fit`: training on tensors of one's own, recorded as a run's networks are."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import theory_sim as ts

N, P, D, F = 120, 4, 12, 3
QUICK = {"neurons": 4, "steps": 12, "batch": 10, "replicas": 2, "device": "cpu"}


def planted(seed: int = 0, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples of three classes, each with its direction in one of four patches; and the directions."""
    random = np.random.default_rng(seed)
    v = np.linalg.qr(random.normal(size=(D, F)))[0].T
    labels = random.integers(0, F, N)
    x = random.normal(size=(N, P, D)) * noise
    x[np.arange(N), random.integers(0, P, N)] += v[labels]
    return x.astype(np.float32), labels, v.astype(np.float32)


def test_it_learns_a_planted_direction() -> None:
    x, labels, v = planted()
    data = ts.fit(x, labels, v, neurons=20, steps=150, step_size=0.3, replicas=2, test=planted(1)[:2], device="cpu")
    own = data.correlation.isel(head=xr.DataArray(np.arange(F), dims="own"), feature=xr.DataArray(np.arange(F), dims="own"))
    largest = own.max("neuron")
    assert (largest.isel(step=-1) > 10 * largest.isel(step=0).clip(min=1e-3)).all()
    other = data.correlation.sel(head=0, feature=1).max("neuron").isel(step=-1)
    assert (largest.isel(step=-1, own=0) > 3 * other).all()
    assert float(data.training_loss.isel(update=-1).mean()) < 0.5 * float(data.training_loss.isel(update=0).mean())
    train = ts.fit(x, labels, v, neurons=20, steps=150, step_size=0.3, replicas=2, device="cpu")
    assert float(train.test_error.mean()) < 0.05


def test_its_record_is_that_of_a_run(tmp_path: Any) -> None:
    x, labels, v = planted()
    data = ts.fit(x, labels, v, names=["red", "green", "blue"], **QUICK)
    config = ts.Config().replace({"replicas": 2, "tree.subclasses": 2, "data.dim": 16, "network.neurons": 3, "training.steps": 2})
    run = ts.run(config.replace({"test.samples": 20, "data.patches": 20}), tmp_path, "cpu").fine
    assert {name: value.dims for name, value in data.data_vars.items()} == {name: run[name].dims for name in run.data_vars}
    assert {name: value.dims for name, value in data.coords.items()} == {name: run[name].dims for name in run.coords}
    for name in [*data.data_vars, *data.coords]:
        assert data[name].attrs == run[name].attrs, name
    assert data.attrs.keys() == run.attrs.keys()
    assert dict(data.sizes) | {"feature": F, "head": F, "neuron": 4, "replica": 2} == dict(data.sizes)
    assert data.feature_name.values.tolist() == ["red", "green", "blue"]
    assert data.kind.values.tolist() == ["train"]


def test_torch_and_numpy_and_lists_give_the_same() -> None:
    x, labels, v = planted()
    one = ts.fit(x, labels, v, **QUICK)
    for other in (
        ts.fit(torch.from_numpy(x), torch.from_numpy(labels), torch.from_numpy(v), **QUICK),
        ts.fit(x, labels.tolist(), v.astype(np.float64), **QUICK),
    ):
        xr.testing.assert_identical(one, other)
    double = ts.fit(x.astype(np.float64), labels, v, **QUICK)
    assert double.correlation.dtype == np.float64
    assert ts.fit((x * 10).astype(np.int64), labels, v, **QUICK).correlation.dtype == np.float32


def test_without_directions_and_with_records_of_ones_own() -> None:
    x, labels, _ = planted()
    data = ts.fit(x, labels, record={"steps": lambda training: training.steps_done}, **QUICK)
    assert data.sizes["feature"] == 0
    assert data.steps.values.tolist() == [data.step.values.tolist()] * 2


def test_the_same_seed_gives_the_same_and_replicas_differ() -> None:
    x, labels, v = planted()
    one, again, other = (ts.fit(x, labels, v, **QUICK, seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(one, again)
    assert not np.array_equal(one.correlation, other.correlation)
    assert not np.array_equal(one.correlation[0], one.correlation[1])


def test_every_test_sample_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels, v = planted()
    tested = np.concatenate([planted(seed)[0] for seed in (1, 2, 3)]), np.concatenate([planted(seed)[1] for seed in (1, 2, 3)])
    data = ts.fit(x, labels, v, test=tested, **QUICK)
    assert (data.sizes["test_sample"], data.kind.values.tolist()) == (3 * N, ["test"])
    order = np.random.default_rng(0).permutation(3 * N)
    shuffled = ts.fit(x, labels, v, test=(tested[0][order], tested[1][order]), **QUICK)
    np.testing.assert_array_equal(data.test_correct.values[:, :, order], shuffled.test_correct.values)
    assert float(data.test_error[0, 0, 0]) == pytest.approx(1 - float(data.test_correct[0, 0, :, 0].mean()))


def test_progress_and_divergence() -> None:
    x, labels, v = planted()
    told: list[ts.Progress] = []
    ts.fit(x, labels, v, **QUICK, on_progress=told.append)
    assert [(p.done, p.total) for p in told] == [(step, 12) for step in range(1, 13)]
    with pytest.raises(ts.DivergedError, match=r"^step \d+: the "):
        ts.fit(x, labels, v, **QUICK, step_size=1e30)


X, LABELS, V = planted()
WRONG: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((X[0], LABELS), {}, r"x: expected the shape \(N, P, d\): samples, patches, dimensions; got \(4, 12\)$"),
    ((X[:0], LABELS[:0]), {}, r"x: expected the shape \(N, P, d\): samples, patches, dimensions; got \(0, 4, 12\)$"),
    ((X[:, :0], LABELS), {}, r"x: expected the shape \(N, P, d\): samples, patches, dimensions; got \(120, 0, 12\)$"),
    ((X * 1j, LABELS), {}, "x: expected real numbers, got torch.complex"),
    ((X, LABELS[:-1]), {}, r"labels: expected one for each of the 120 samples, got the shape \(119,\)$"),
    ((X, np.eye(2)[LABELS % 2]), {}, r"labels: expected one for each of the 120 samples, got the shape \(120, 2\)$"),
    ((X, LABELS * 1.0), {}, "labels: expected whole numbers, got torch.float64$"),
    ((X, LABELS - 1), {}, "labels: number the classes from 0; the smallest is -1, the first negative of sample "),
    ((X, LABELS + 1000), {}, "labels: number the classes from 0; the largest is 100., for 120 samples$"),
    ((np.where(np.arange(120)[:, None, None] == 7, np.nan, X), LABELS), {}, "x: some .* infinite, the first in sample 7$"),
    ((X, LABELS), {"test": (X, LABELS - 1)}, "test labels: number the classes from 0; the smallest is -1"),
    ((X, LABELS), {"test": (X * np.inf, LABELS)}, "test samples: some numbers are NaN or infinite, the first in sample 0$"),
    ((X, LABELS, V[:, :-1]), {}, r"directions: expected the shape \(F, 12\), got \(3, 11\)"),
    ((X, LABELS, V * np.inf), {}, "directions: some numbers are NaN or infinite, the first in direction 0$"),
    ((X, LABELS, V * 1j), {}, "directions: expected real numbers, got torch.complex"),
    ((X, LABELS, V), {"names": ["a"]}, "names: 1 names for 3 directions"),
    ((X, LABELS, V), {"names": ["a", "b", "a"]}, "names: 'a' is there twice$"),
    ((X, LABELS), {"test": (X[:, :-1], LABELS)}, r"test: patches and dimensions \(3, 12\) are not \(4, 12\) as in x"),
    ((X, LABELS), {"neurons": 0}, "neurons: .*greater than or equal to 1.* got 0"),
    ((X, LABELS), {"steps": -1}, "steps: .*got -1"),
    ((X, LABELS), {"step_size": 0}, "step_size: should be a number greater than 0, got 0"),
    ((X, LABELS), {"step_size": float("nan")}, "step_size: should be a number greater than 0, got nan"),
    ((X, LABELS), {"replicas": 0}, "replicas: .*got 0"),
    ((X, LABELS), {"engine": "gradient", "options": {"activation": "tanh"}}, "^options: activation: "),
    ((X, LABELS), {"device": "nowhere"}, "unknown device 'nowhere'"),
    ((X, LABELS), {"record": {"correlation": len}}, "record correlation: choose a name"),
]


@pytest.mark.parametrize(("arguments", "options", "message"), WRONG, ids=[message[:40] for *_, message in WRONG])
def test_wrong_input_is_refused_in_one_line(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ts.InputError, match=f"^{message}") as refused:
        ts.fit(*arguments, **{**QUICK, **options})
    assert "\n" not in str(refused.value)


def test_samples_that_carry_a_gradient(tmp_path):
    """As they come out of a network."""
    x = torch.randn(20, 3, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 2
    plain, carrying = (ts.fit(each, labels, neurons=2, steps=2) for each in (x, x.clone().requires_grad_()))
    assert plain.equals(carrying)
