"""Settings of samples that a theory's law does not depend on: once they were accepted without a word."""

import warnings
from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim.data.setup import warn_without_effect, without_effect
from theory_sim.runtime.errors import NoEffectWarning
from theory_sim.studies.study import all_studies
from theory_sim.studies.sweep import make_cells, sweep, varied

ROOT = Path(__file__).parents[2]
SMALL = {"replicas": 2, "training.steps": 2, "test.samples": 20, "test.curve_samples": 2, "record.points": 2}


@pytest.mark.parametrize(
    ("theory", "changes", "expected"),
    [
        ("label-granularity", {}, []),
        ("label-granularity", {"data.noise": 0.3, "hard.noise": 2.0, "tree.tail": 1.0, "target.noise": 1.0, "data.dim": 128}, []),
        ("label-granularity", {"hard.weak_strength": [0.2, 0.3]}, ["hard.weak_strength"]),
        ("label-granularity", {"hard.weak_strength": [0.2, 0.3], "hard.common": "weak"}, []),
        ("benign-overfitting", {"data.label_noise": 0.5, "data.dim": 200}, ["data.label_noise"]),
        ("benign-overfitting", {"hard.noise": 1.0, "target.noise": 1.0}, ["hard.noise", "target.noise"]),
        ("benign-overfitting", {"law.orthogonal": True, "data.label_noise": 0.5}, []),  # sampled: nothing is known
        ("spurious-features", {"data.noise": 0.1, "law.core": 0.3}, ["data.noise"]),
    ],
)
def test_keys_that_a_law_does_not_depend_on(theory: str, changes: dict[str, object], expected: list[str]) -> None:
    assert without_effect(ts.load_config(theory=theory).replace(changes)) == expected


def test_a_run_a_sweep_and_a_check_of_samples_say_it_once(tmp_path: Path) -> None:
    config = ts.load_config(theory="benign-overfitting").replace(SMALL)
    with pytest.warns(NoEffectWarning, match="^data.noise has no effect on samples: the law of the theory benign-") as seen:
        ts.run(config.replace({"data.noise": 0.1}), tmp_path, "cpu")
    assert len(seen) == 1
    with pytest.warns(NoEffectWarning, match="^data.label_noise has no effect") as seen:
        sweep(config, [{"data.label_noise": [0.0, 0.5], "law.signal": [1.0, 2.0]}], tmp_path, "cpu", jobs=0)
    assert len(seen) == 1
    with pytest.warns(NoEffectWarning, match="^data.noise has no effect") as seen:
        ts.check_data(config.replace({"data.noise": 0.1}), samples=10)
    assert len(seen) == 1


def test_a_key_of_a_later_grid_is_looked_at() -> None:
    config = ts.load_config(theory="benign-overfitting")
    cells = make_cells(config, [{"law.signal": [1.0, 2.0]}, {"data.noise": [0.1, 0.2]}])
    with pytest.warns(NoEffectWarning, match="^data.noise has no effect"):
        warn_without_effect(varied(cells))


def test_shipped_configurations_and_studies_have_none() -> None:
    texts = {path: path.read_text() for path in (ROOT / "configs").rglob("*.yaml")}
    configs = [ts.load_config(path) for path, text in texts.items() if "question:" not in text and "source:" not in text]
    assert len(configs) > 5
    configs += [config for study in all_studies() for config in varied(study.cells())]
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoEffectWarning)
        warn_without_effect(configs)
