"""Strategies of configurations: what they draw is valid, keeps what is given, covers every option, and shrinks to defaults."""

from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import Phase, find, given, settings

import theory_sim as ts
from theory_sim import testing
from theory_sim.config import DataSettings, HardSettings
from theory_sim.runtime.contracts import ENGINES, SETUPS
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import Section, differences, value_at

THEORIES = ["label-granularity", "benign-overfitting", "spurious-features"]
SHRUNK = settings(max_examples=100, database=None)
MANY = settings(max_examples=150, phases=[Phase.generate], database=None)


def drawn(**fixed: Any) -> list[ts.Config]:
    """Many configurations."""
    found: list[ts.Config] = []

    @MANY
    @given(testing.configs(**fixed))
    def each(config: ts.Config) -> None:
        found.append(config)

    each()
    return found


def wanted(section: type[Section], key: str) -> list[tuple[str, str]]:
    """What some example should hold: of each choice every value; of each other setting the default and another value."""
    return [
        (f"{key}.{name}", repr(value))
        for name, field in section.model_fields.items()
        for value in (
            get_args(field.annotation)
            if get_origin(field.annotation) is Literal
            else (False, True)
            if field.annotation is bool
            else ("default", "another")
        )
    ]


def seen(configs: list[ts.Config], section: type[Section], key: str, default: dict[str, Any]) -> set[tuple[str, str]]:
    """The same of drawn configurations."""
    found = set()
    for config in configs:
        values = config.model_dump()[key]
        for name, value in values.items():
            usual = default.get(name, section.model_fields[name].get_default(call_default_factory=True))
            found |= {(f"{key}.{name}", repr(value)), (f"{key}.{name}", repr("default" if value == usual else "another"))}
    return found


def test_every_option_of_the_papers_law_is_drawn() -> None:
    configs, default = drawn(), ts.Config().model_dump()
    for section, key in ((DataSettings, "data"), (HardSettings, "hard")):
        assert {*wanted(section, key)} <= seen(configs, section, key, default[key])
    deep = [config for config in configs if config.label_tree.depth > 2]
    assert len(deep) > 5
    assert {config.labels["fine"] for config in configs} >= {"leaf", "level(1)", "random(3)", "split(1, 2)"}
    assert {config.training.dtype for config in configs} == {"float32", "float64"}
    assert any(config.target.noise is not None for config in configs)


@pytest.mark.parametrize("theory", THEORIES[1:])
def test_every_option_of_another_theorys_law_is_drawn(theory: str) -> None:
    configs, section = drawn(theory=theory), SETUPS[theory].parameters
    assert {*wanted(section, "law")} <= seen(configs, section, "law", ts.load_config(theory=theory).law)
    assert {config.theory for config in configs} == {theory}


@pytest.mark.parametrize("theory", THEORIES)
def test_every_option_of_the_engine_gradient_is_drawn(theory: str) -> None:
    configs, section = drawn(theory=theory, **{"training.engine": "gradient"}), ENGINES["gradient"].settings
    default = ts.load_config(theory=theory).replace({"training.engine": "gradient"}).engine
    assert {*wanted(section, "engine")} <= seen(configs, section, "engine", default)
    assert {config.engine["activation"] for config in configs} >= {"relu", "z^2", "z^3"}
    phases = [phase for config in configs for phase in config.engine["phases"]]
    assert {phase["samples"] for phase in phases} == {"all", "balanced"}
    assert {len(config.engine["phases"]) for config in configs} >= {1, 2}
    assert {bool(phase["momentum"]) for phase in phases} == {phase["step_size"] is None for phase in phases} == {True, False}
    assert {config.training.batch == "full" for config in configs} == {True, False}


@pytest.mark.parametrize(
    "fixed",
    [
        {"replicas": 2, "data": {"dim": 8}},
        {"data.patches": 3, "hard.feature_noise_patches": 0, "hard.noise": 0.0},
        {"data.patches": 7, "data.feature_noise_patches": 3},
        {"tree": {"subclasses": [[1, 2], 3]}, "labels.fine": "random(2)"},
        {"tree.coarse": 4, "data.feature_patches": 5},
        {"training.engine": "gradient", "engine": {"biases": "frozen"}, "training.steps": 3},
        {"training.engine": "dense", "theory": "benign-overfitting", "law": {"orthogonal": True}},
        {"theory": "spurious-features", "training.batch": 16, "replicas": 1},
    ],
    ids=str,
)
def test_what_is_given_is_kept(fixed: dict[str, Any]) -> None:
    @given(testing.configs(**fixed))
    def each(config: ts.Config) -> None:
        for key, value in fixed.items():
            there = value_at(config, key)
            assert there == value or value.items() <= there.items()
        assert eval(repr(config), {"Config": ts.Config}) == config

    each()


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"data.dimm": 3}, "unknown key data.dimm; did you mean data.dim?"),
        ({"nois": 3}, "unknown key nois"),
        ({"data.dim": 3}, "configs: data.dim: 4 features"),
        ({"data.dim": "x"}, "configs: data.dim: should be a valid integer"),
        ({"data.dim": 64, "data": {"dim": 32}}, "configs: data.dim is given twice"),
        ({"theory": "nowhere"}, "unknown theory 'nowhere'"),
        ({"theory": "benign-overfitting", "law.signl": 1.0}, "unknown key law.signl; did you mean law.signal?"),
        ({"training.engine": "gradient", "engine.activation": "z"}, "configs: engine.activation: "),
    ],
    ids=str,
)
def test_what_no_configuration_has_is_refused_at_once(fixed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        testing.configs(**fixed)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("theory", THEORIES)
def test_what_does_not_matter_shrinks_to_the_default(theory: str) -> None:
    default = ts.load_config(theory=theory)
    strategy = testing.configs(theory=theory)
    assert find(strategy, lambda config: True, settings=SHRUNK) == default
    few = find(strategy, lambda config: config.data.basis == "rotated" and config.training.dtype == "float64", settings=SHRUNK)
    assert differences(few, default) == {"data.basis": "rotated", "training.dtype": "float64"}
