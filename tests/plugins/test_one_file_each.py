"""One file each, and no change of the package: laws, a claim, a label function and a readout of a user's.

Each runs in this process by ``theory-sim verify``, in two worker processes of this machine and in two of Dask, to the same
numbers, and passes the suites of `theory_sim.testing`.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome import rows

import theory_sim as ts
from theory_sim import cli, testing
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.runtime.settings import flat
from theory_sim.studies.sweep import Sweep, sweep

HERE = Path(__file__).parent
TINY = """
name: tiny
replicas: 2
tree: {subclasses: 2}
data: {dim: 32, patches: 12, feature_patches: 2}
network: {neurons: 4}
training: {batch: 8, steps: 10}
transfer: {readouts: [sum_logits]}
test: {samples: 40, curve_samples: 5}
record: {points: 3}
"""
OWN = "own-sampler"


@dataclass(frozen=True)
class Case:
    """A plugin, and the settings that use it."""

    plugin: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return HERE / f"{self.plugin}.py"

    @property
    def is_theory(self) -> bool:
        return "theory" in self.values


CASES = [
    Case("student_t", {"theory": "student-t"}),
    Case("background", {"theory": "background"}),
    Case("two_dominant", {"theory": "two-dominant"}),
    Case("label_function", {"labels.fine": "odd-even"}),
    Case("readout", {"transfer.readouts": ["mean_log_probability"]}),
    Case("claim", {"seed": 0}),
    Case("own_sampler", {"theory": OWN}),
    Case("signed", {"theory": "signed"}),
]
ALONE = ("own_sampler", "signed")
"""Theories with networks of their own: each is swept by itself."""
THEORIES = [case for case in CASES if case.is_theory]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.plugin)
each_theory = pytest.mark.parametrize("case", THEORIES, ids=lambda case: case.plugin)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(TINY)
    return path


def config_of(case: Case, tiny: Path) -> ts.Config:
    """The configuration of a case alone."""
    if case.is_theory:
        return tiny_of(case, tiny, [str(case.file)])
    config = ts.load_config(tiny, plugins=[str(case.file)])
    return config.replace({key: value for key, value in case.values.items() if key != "theory"})


def swept(tiny: Path, out: Path, **how: Any) -> list[Sweep]:
    """Every case as a cell; the theory with a network of its own is a sweep of its own."""
    files = [str(case.file) for case in CASES]
    papers = [{key: [value] for key, value in case.values.items()} for case in CASES if case.plugin not in ALONE]
    own = [tiny_of(case, tiny, files) for case in CASES if case.plugin in ALONE]
    first = sweep(ts.load_config(tiny, plugins=files), papers, out, "cpu", **how)
    return [first, *(sweep(config, [{"seed": [0]}], out, "cpu", **how) for config in own)]


def tiny_of(case: Case, tiny: Path, files: list[str]) -> ts.Config:
    """The small configuration of a theory; one without subclasses has none there either."""
    given = [f"tree.subclasses={0 if case.plugin == 'signed' else 2}"]
    return ts.load_config(tiny, given, plugins=files, theory=case.values["theory"])


@pytest.fixture(scope="module")
def local(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Sweep]:
    """Run by two worker processes of this machine."""
    return swept(tiny, tmp_path_factory.mktemp("local"), jobs=2)


@pytest.fixture(scope="module")
def dask(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Sweep]]:
    """Run by two Dask workers, each a process of its own."""
    from distributed import LocalCluster

    folder = tmp_path_factory.mktemp("dask")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", local_directory=str(folder)
    ) as cluster:
        yield swept(tiny, folder, scheduler=cluster.scheduler_address)


def records(folder: Path) -> dict[str, xr.Dataset]:
    return ts.load_results(folder).records


def assert_same(one: Path, other: Path) -> None:
    """Every number of two runs, bit by bit; their folders have the same hash."""
    assert one.name == other.name
    first, second = records(one), records(other)
    assert first.keys() == second.keys()
    for name in first:
        xr.testing.assert_identical(first[name].drop_attrs(deep=False), second[name].drop_attrs(deep=False))


@each
def test_it_is_one_small_file(case: Case) -> None:
    text = case.file.read_text()
    assert len(text.splitlines()) < 80
    assert "import theory_sim as ts\n" in text
    assert "theory_sim." not in text.replace("import theory_sim as ts\n", ""), "public names are enough"


@each
def test_the_same_numbers_here_and_in_worker_processes(
    case: Case,
    tiny: Path,
    local: list[Sweep],
    dask: list[Sweep],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # A theory's file is the configuration; the other files are named beside one.
    chosen = [str(case.file)] if case.is_theory else [str(tiny), "--plugin", str(case.file)]
    values = (flat(yaml.safe_load(TINY)) if case.is_theory else {}) | {k: v for k, v in case.values.items() if k != "theory"}
    values |= {"tree.subclasses": 0} if case.plugin == "signed" else {}
    options = [f"--set={key}={value}" for key, value in values.items()]
    monkeypatch.setattr(sys, "argv", ["theory-sim", "verify", *chosen, *options, "--device=cpu", f"--out={tmp_path}"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    printed = capsys.readouterr().out
    (here,) = tmp_path.glob("tiny/*")
    claims = ts.evaluate_claims(ts.load_results(here))
    assert stop.value.code == (0 if all(claim.holds for claim in claims) else 1)
    assert {claim.id for claim in claims} <= set(rows(printed))
    assert ("fine-unlucky-stay" in rows(printed)) == (case.plugin == "claim")
    for sweeps in (local, dask):
        assert not any(done.failed for done in sweeps)
        done = sweeps[1 + ALONE.index(case.plugin) if case.plugin in ALONE else 0]
        assert_same(here, done.folder.parents[1] / "tiny" / here.name)
        decided = done.read("cells").set_index(["cell", "id"]).loc[here.name]
        for claim in claims:
            np.testing.assert_equal(decided.estimate[claim.id], claim.estimate.value)
    pd.testing.assert_frame_equal(*(sweeps[0].read("cells") for sweeps in (local, dask)))


# The suites for users.


@each_theory
def test_check_data_and_conformance(case: Case, tiny: Path, local: list[Sweep]) -> None:
    config = config_of(case, tiny)
    checks = ts.check_data(config, 300, 1e-6)
    testing.require(checks)
    wanted = {
        "student_t": "easy: shape of noise of plain patches",
        "background": "hard: signs of feature 'background'",
        "two_dominant": "hard: patches of dominant noise",
        "own_sampler": "faint: coarse label is the leaf's ancestor",
        "signed": "noisy: patches of feature 'signal'",
    }
    assert wanted[case.plugin] in {check.name for check in checks}
    folder = ts.results_folder(config, local[0].folder.parents[1])
    testing.require(testing.check_theory(config, ts.load_results(folder)))


def test_the_others_keep_their_contracts(tiny: Path, local: list[Sweep]) -> None:
    configs = {case.plugin: config_of(case, tiny) for case in CASES if not case.is_theory}
    testing.require(testing.check_label_function("odd-even"))
    testing.require(testing.check_readout("mean_log_probability", configs["readout"]))
    results = ts.load_results(ts.results_folder(configs["claim"], local[0].folder.parents[1]))
    testing.require(testing.check_claim(ts.CLAIMS["fine-unlucky-stay"], results))


def theirs(case: Case) -> st.SearchStrategy[ts.Config]:
    """Configurations of a theory with room for what it adds to the paper's law."""

    def at(config: ts.Config) -> ts.Config:
        if case.values["theory"] == OWN:
            own = ts.load_config(plugins=[str(case.file)], theory=OWN)
            return own.replace({"replicas": config.replicas, "seed": config.seed, "data.dim": config.data.dim + 6})
        if case.plugin == "signed":
            own = ts.load_config(plugins=[str(case.file)], theory="signed")
            shapes = {"data.dim": config.data.dim, "data.patches": config.data.patches, "data.noise": config.data.noise}
            return own.replace({"replicas": config.replicas, "seed": config.seed, **shapes})
        more = {"data.patches": config.data.patches + 2, "data.dim": config.data.dim + 1, "plugins": [str(case.file)]}
        return config.replace(more | {"theory": case.values["theory"]})

    return testing.configs().map(at)


@each_theory
def test_batches_of_any_configuration(case: Case) -> None:
    ts.load_config(plugins=[str(case.file)], theory=case.values["theory"])
    seen: set[str] = set()

    @settings(max_examples=10)
    @given(testing.drawn_batches(of=theirs(case)))
    def each_batch(drawn: testing.Drawn) -> None:
        batch, data = drawn.batch, drawn.config.data
        assert torch.equal(batch.coarse, drawn.law.tree.coarse_of_leaf[batch.leaf])
        assert batch.x.isfinite().all()
        patches = 2 if case.plugin == "own_sampler" else data.patches
        assert batch.x.shape == (drawn.config.replicas, batch.leaf.shape[1], patches, data.dim)
        seen.update(LOOK[case.plugin](drawn))

    each_batch()
    assert seen == {"yes"}


def _student_t(drawn: testing.Drawn) -> list[str]:
    """Noise has three degrees of freedom; its patches are 0 where it has no norm."""
    law, batch = drawn.law.noise, drawn.batch
    assert (law.law.dist.name, law.law.args) == ("t", (3.0,))
    noise = batch.x[batch.content == NOISE]
    assert torch.equal(noise != 0, torch.full_like(noise, bool(law.norm), dtype=torch.bool))
    return ["yes"] if len(noise) and law.norm else []


def _background(drawn: testing.Drawn) -> list[str]:
    """Every kind of sample has two patches of one sign where counts are fixed."""
    held = drawn.batch.content == drawn.law.tree.n_nodes
    signs = drawn.batch.strength.sign() * held
    assert (signs.sum(-1).abs() == held.sum(-1)).all()
    if drawn.law.independent:
        return []
    assert (held.sum(-1) == 2).all()
    return ["yes"]


def _two_dominant(drawn: testing.Drawn) -> list[str]:
    """Hard samples have two patches of dominant noise, easy ones none."""
    count = (drawn.batch.content == DOMINANT_NOISE).sum(-1)
    wanted = 2 * drawn.batch.hard if drawn.config.hard.noise else torch.zeros_like(count)
    assert torch.equal(count, wanted.long())
    return ["yes"] if count.any() else []


def _own_sampler(drawn: testing.Drawn) -> list[str]:
    """The first patch holds the class's feature, the second noise alone."""
    feature = drawn.dictionary.vectors[torch.arange(drawn.config.replicas)[:, None], drawn.batch.coarse]
    along = (drawn.batch.x * feature[:, :, None]).sum(-1)
    clear = drawn.batch.kind == 0
    assert (along[..., 0][clear] > 0.5).all()
    assert (along[..., 1].abs() < 0.5).all()
    return ["yes"] if clear.any() else []


def _signal(drawn: testing.Drawn) -> list[str]:
    """One patch of each sample holds the only feature, with the sign of its class; no node of the tree has a feature."""
    law, batch = drawn.law, drawn.batch
    assert (law.n_features, law.tree.n_nodes, law.tree.n_leaves) == (1, 2, 2)
    held = batch.content == 0
    assert (held.sum(-1) == 1).all()
    assert torch.equal((batch.strength * held).sum(-1), 1.0 - 2.0 * batch.coarse)
    return ["yes"]


LOOK = {
    "student_t": _student_t,
    "background": _background,
    "two_dominant": _two_dominant,
    "own_sampler": _own_sampler,
    "signed": _signal,
}
