"""The benchmark runs and says what it measured; that numbers are good is for the benchmark to say, not for a test."""

import json
import math
from dataclasses import replace

import pytest
import torch

from theory_sim.bench import jax_loop, scaling
from theory_sim.bench import simulator as bench
from theory_sim.bench.baselines import PlainLoop, VectorisedLoop
from theory_sim.bench.scaling import Growth
from theory_sim.bench.simulator import BOUNDS, Bound, Line, Size
from theory_sim.runtime.errors import InputError
from theory_sim.training.trainer import Training

TINY = Size(12, 6, 4, 4, 5, (1, 3))


@pytest.mark.parametrize("replicas", TINY.replicas)
def test_a_size_is_measured(replicas, device, monkeypatch):
    monkeypatch.setattr(jax_loop, "is_installed", lambda: False)  # JAX in this process would warn at every fork
    line = bench.measure("tiny", replicas, torch.device(device), rounds=1, size=TINY)
    times = [line.ours, line.recording, line.plain, line.vectorised, line.generator, line.normals, line.products]
    assert all(0 < t < 10 for t in times)
    assert 0 <= line.error < 1e-6
    assert (line.size, line.replicas) == ("tiny", replicas)


def test_ratios_by_hand():
    line = Line("S", 2, ours=4, recording=0.2, plain=20, vectorised=12, generator=2, normals=1, products=1, rate=1e9, error=0)
    ratios = line.ratios(Size(10, 5, 10, 2, 100, (2,)))
    assert line.ratios(Size(10, 5, 10, 2, 100, (2,))).keys() == set(bench.RATIOS) - {"jax ÷ ours"}, "it was not measured"
    assert replace(line, jax=16.0).ratios(Size(10, 5, 10, 2, 100, (2,))) == ratios | {"jax ÷ ours": 4}
    assert ratios == {
        "plain ÷ ours": 5,
        "vectorised ÷ ours": 3,
        "ours ÷ floor": 2,
        "generator ÷ normals": 2,
        "recording ÷ ours": 0.05,
        "share of matrix rate": 4 * 100 * 5 * 10 * 2 * 10 * 2 / 4 / 1e9,
    }


def test_bounds():
    assert Bound(2, least=True).holds(2.1)
    assert not Bound(2, least=True).holds(1.9)
    assert Bound(1.5).holds(1.4)
    assert not Bound(1.5).holds(1.6)
    assert (str(Bound(40, least=True)), str(Bound(0.03))) == ("≥ 40", "≤ 0.03")
    assert set(BOUNDS) == set(bench.SIZES)
    assert all(set(of) <= set(bench.RATIOS) for of in BOUNDS.values())


@pytest.mark.parametrize("rival", [PlainLoop, VectorisedLoop])
def test_a_rival_makes_the_same_step(rival, monkeypatch):
    """It does the same work: on the same data its weights and biases end where ours do."""
    config = bench.configuration(TINY, 2)
    training = Training(config)
    engine, batch = training.models["fine"].engine, training.next_batch()
    loop = rival(config, engine.parameters, engine.step_size)
    samples = iter(zip(batch.x, batch.leaf, strict=True))
    monkeypatch.setattr(loop, "data", lambda device: next(samples))
    start = engine.parameters.weight.clone()
    loop.step()
    engine.step(batch, batch.leaf)
    assert (engine.parameters.weight - start).norm() > 1e-4
    for r, network in enumerate(loop.networks):
        torch.testing.assert_close(network.weight.detach(), engine.parameters.weight[r])
        torch.testing.assert_close(network.bias, engine.parameters.bias[r])


@pytest.mark.parametrize("rival", [PlainLoop, VectorisedLoop])
def test_a_rivals_data_are_easy_samples(rival):
    config = bench.configuration(Size(64, 16, 4, 4, 2000, (1,)), 1)
    engine = Training(config).models["fine"].engine
    x, leaf = rival(config, engine.parameters, 0.1).data(torch.device("cpu"))
    assert x.shape == (2000, 16, 64)
    tree, s = config.label_tree, config.data.feature_patches
    assert torch.bincount(leaf, minlength=4).min() > 400
    alone = torch.zeros(2000, 64).index_put((torch.arange(2000)[:, None], tree.paths[leaf]), torch.tensor(float(s)))
    total = x.sum(1)
    # A feature's patches sum to s·E α up to noise: 16 patches of norm 0.5.
    assert float((total - alone).norm(dim=1).mean()) == pytest.approx(0.5 * math.sqrt(16), rel=0.1)
    # In random places, s of them for each feature: noise alone lies 5 standard deviations below 0.6.
    held = (x.gather(2, tree.paths[leaf][:, None].expand(-1, 16, -1)) > 0.6).float()
    assert float(held.sum(1).mean()) == pytest.approx(s, rel=0.01)
    assert (held.mean(0) - s / 16).abs().max() < 0.05


def test_every_size_is_the_papers_model_at_that_size():
    for size in bench.SIZES.values():
        config = bench.configuration(size, 1)
        assert config.label_tree.n_leaves == size.classes
        assert (config.data.dim, config.data.patches, config.neurons) == (size.dim, size.patches, size.neurons)
        assert config.training.batch == size.batch


def test_growth_is_fitted():
    proportional = Growth.fit("seconds", "d", [10, 20, 40], [3.0, 6.0, 12.0])
    assert (proportional.exponent, proportional.constant) == pytest.approx((1, 0), abs=1e-9)
    assert proportional.holds
    square = Growth.fit("seconds", "d", [10, 20, 40], [3.0, 12.0, 48.0])
    assert square.exponent == pytest.approx(2)
    assert square.deviation > 0.1
    assert not square.holds
    affine = Growth.fit("bytes", "d", [10, 20, 40], [20.0, 30.0, 50.0])
    assert (affine.constant, affine.deviation) == pytest.approx((0.5, 0))
    assert affine.exponent < 0.9
    assert affine.holds
    assert "exponent 0.66, off a line by 0.0%, constant part 50%  ✓" in str(affine)


def test_scaling_measures_time_and_memory(monkeypatch):
    monkeypatch.setattr(scaling, "_peak", lambda size: 5e6 if size is None else 5e6 + 1e6 * size.dim)
    found = list(scaling.scaling(torch.device("cpu"), rounds=1, base=TINY, factors=(1, 2)))
    assert [(g.quantity, g.of) for g in found] == [(q, of) for of in "BPdm" for q in ("seconds", "bytes")]
    by_d = next(g for g in found if (g.quantity, g.of) == ("bytes", "d"))
    assert by_d.exponent == pytest.approx(1)
    assert by_d.sizes == [12, 24]


@pytest.mark.skipif(not scaling.memory_is_reported(torch.device("cpu")), reason="no /proc")
def test_memory_is_the_most_that_was_held():
    class Connection:
        def send(self, value):
            self.sent = value

    idle, busy = Connection(), Connection()
    scaling._send_peak(None, idle)
    size = Size(1024, 32, 16, 2, 256, (1,))
    scaling._send_peak(size, busy)
    assert busy.sent >= idle.sent > 1e8
    assert busy.sent < 1e10


def test_sizes_are_chosen_or_refused():
    cpu = torch.device("cpu")
    assert bench.choose_sizes(None, cpu) == ["A", "S", "F", "M"]
    assert bench.choose_sizes("S, A", cpu) == ["S", "A"]
    with pytest.raises(InputError, match="no size 'B'; there are A, S, F, M, XL"):
        bench.choose_sizes("A,B", cpu)
    with pytest.raises(InputError, match="XL needs a CUDA device, not cpu"):
        bench.choose_sizes("XL", cpu)


def test_the_command_prints_and_writes_the_ratios(tmp_path, monkeypatch, capsys):
    from theory_sim import cli

    monkeypatch.setattr(bench, "SIZES", {"A": TINY, "XL": TINY})
    monkeypatch.setattr(jax_loop, "is_installed", lambda: False)
    monkeypatch.setattr(
        "sys.argv", ["theory-sim", "bench", "--rounds=1", "--device=cpu", "--scaling", f"--json={tmp_path / 'b.json'}"]
    )
    growth = Growth.fit("bytes", "d", [10, 20, 40], [20.0, 30.0, 50.0])
    monkeypatch.setattr(scaling, "scaling", lambda device: iter([growth]))
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 0
    out = capsys.readouterr().out
    assert "plain ÷ ours" in out
    assert "≥ 40" in out
    assert "jax is left out: pip install 'theory-sim[bench]'" in out
    assert str(growth) in out
    assert "XL is left out: it needs a CUDA device" in out
    written = json.loads((tmp_path / "b.json").read_text())
    assert [(line["size"], line["replicas"]) for line in written["sizes"]] == [("A", 1), ("A", 3)]
    assert set(written["sizes"][0]["ratios"]) == set(bench.RATIOS) - {"jax ÷ ours"}
    assert written["scaling"][0]["costs"] == growth.costs
    assert torch.get_num_threads() == 1
