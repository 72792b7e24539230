"""The configuration: defaults, files, overrides, refusals. The command line's wording is tested in tests/cli."""

import math
from pathlib import Path

import pytest

from theory_sim.config import Config, load_config
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import differences, value_at
from theory_sim.studies.study import study_files

ROOT = Path(__file__).parent.parent
CONFIGS = [
    path
    for path in sorted({*(ROOT / "configs").rglob("*.yaml")} - set(study_files()))
    if "\npretraining:" not in path.read_text()
]


def test_the_shipped_default_file_says_what_the_package_holds():
    assert load_config(ROOT / "configs" / "default.yaml") == Config()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_file_loads_and_opens_with_its_command(path):
    assert load_config(path).name == path.stem
    assert "theory-sim" in path.read_text().split("\n\n")[0].split("name:")[0]


def test_the_documented_defaults():
    c = Config()
    assert (c.tree.coarse, c.tree.subclasses, c.data.dim, c.data.patches, c.data.feature_patches) == (2, 9, 256, 30, 4)
    assert (c.data.strength_spread, c.data.noise, c.data.feature_noise_patches, c.data.basis) == (0.1, 0.5, 0, "canonical")
    assert (c.hard.common, c.hard.feature_noise_patches, c.hard.feature_noise, c.hard.noise) == ("missing", 2, [0.2, 0.4], 4)
    assert (c.network.neurons, c.network.init_std, c.network.threshold) == (60, 0.01, 1.6)
    assert (c.training.step_size["coarse"], c.training.step_size["fine"], c.training.batch, c.training.steps) == (
        0.02,
        0.1,
        128,
        200,
    )
    assert (c.training.bias_decay, c.training.engine, c.replicas, c.seed, c.test.samples) == (0.02, "dense", 5, 0, 2000)


@pytest.mark.parametrize(
    ("key", "most", "changes"),
    [
        ("tree.coarse", 10**5, {"tree.subclasses": 1, "data.dim": 10**6}),
        ("tree.coarse", 7, {}),
        ("training.steps", 10**9, {}),
        ("tree.tail", 10.0, {}),
    ],
)
def test_large_values_are_taken_up_to_what_is_documented(key, most, changes):
    assert value_at(Config().replace({key: most, **changes}), key) == most


def test_theory_values():
    c = load_config(overrides=["network.threshold=theory", "training.bias_decay=theory", "network.c0=0.25", "data.dim=1000"])
    assert c.threshold == pytest.approx(math.sqrt(4.5 * math.log(1000)))
    assert c.bias_decay == pytest.approx(math.log(1000) ** -5)


def test_overrides_lie_over_the_file_and_values_over_both(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("name: mine\nreplicas: 2\ndata: {dim: 64, noise: 1e-3}\n")
    c = load_config(path, ["data.dim=128", "training.step_size.fine=1e-1", "tree.subclasses=[2,3]"], replicas=4, seed=None)
    assert (c.name, c.replicas, c.seed, c.data.dim, c.data.noise) == ("mine", 4, 0, 128, 1e-3)
    assert (c.training.step_size["fine"], c.training.step_size["coarse"], c.tree.subclasses) == (0.1, 0.02, [2, 3])


def test_a_python_file_is_named_as_a_plugin():
    with pytest.raises(InputError, match=r"^mine\.py: a Python file is a plugin: load_config\(plugins=\['mine\.py'\], theory="):
        load_config("mine.py")


def test_a_round_trip_through_yaml_changes_nothing(tmp_path):
    import yaml

    path = tmp_path / "c.yaml"
    c = load_config(overrides=["tree.subclasses=[[2,[1,2]],3]", "hard.common=weak", "seeds.data=5"])
    path.write_text(yaml.safe_dump(c.model_dump(mode="json")))
    assert load_config(path) == c


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.dimm=3", "unknown key data.dimm; did you mean data.dim?"),
        ("traning.batch=3", "unknown key traning; did you mean training?"),
        ("training.step_size.corse=3", "did you mean training.step_size.coarse?"),
        ("data.dim=3.5", "data.dim: should be a valid integer"),
        ("data.dim=true", "data.dim: should be a valid integer"),
        ("data.noise=-1", "data.noise: should be greater than or equal to 0, got -1"),
        ("data.noise=.nan", "data.noise: should be a finite number"),
        ("data.noise=.inf", "data.noise: should be a finite number"),
        ("data.noise=many", "data.noise: should be a valid number, got 'many'"),
        ("data.strength_spread=1.5", "data.strength_spread: should be less than or equal to 1"),
        ("hard.feature_noise=[0.4,0.2]", "hard.feature_noise: the lower end 0.4 is above the upper end 0.2"),
        ("hard.feature_noise=[0.4]", "hard.feature_noise: List should have at least 2 items"),
        ("hard.common=absent", "hard.common: should be 'missing' or 'weak', got 'absent'"),
        ("network.threshold=high", "network.threshold: should be"),
        ("tree.coarse=1", "tree.coarse: should be greater than or equal to 2"),
        ("tree.subclasses=0", "tree.subclasses: a coarse class needs at least 1 subclass, got 0"),
        ("tree.subclasses=[1,2,3]", "tree.subclasses: 3 entries for tree.coarse = 2 classes"),
        ("tree.subclasses=-3", "tree.subclasses: "),
        ("tree.subclasses=200", "data.dim: 402 features"),
        ("data.feature_patches=20", "data.patches: 30 patches cannot hold the 40 that easy samples need"),
        ("hard.feature_noise_patches=22", "that hard samples need"),
        ("data.feature_noise_patches=23", "that easy samples need"),
        ("labels.fine=level(3)", "labels.fine: level(3): the label tree has levels 1 to 2"),
        ("labels.fine=nonsense", "labels.fine: unknown label function 'nonsense'; there are "),
        ("labels.fine=level", "labels.fine: label function 'level': expected level(depth)"),
        ("target.feature_noise_patches=23", "that easy samples need"),
        ("target.noises=1", "unknown key target.noises; did you mean target.noise?"),
        ("tree.tail=-1", "tree.tail: should be greater than or equal to 0"),
        ("labels.fine=cluster(3)", "labels.fine: cluster(3) needs a finite set of samples (data.training_samples)"),
        ("labels.fine=sample-id", "labels.fine: sample-id needs a finite training set"),
        ("name=../up", "name: "),
        ("replicas=0", "replicas: should be greater than or equal to 1"),
        ("seed=-1", "seed: should be greater than or equal to 0"),
    ],
)
def test_refusals_name_the_key_and_what_would_be_right(override, message):
    with pytest.raises(InputError) as error:
        load_config(overrides=[override])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_values_are_replaced_and_told():
    config = Config().replace({"data.dim": 64, "tree.subclasses": [2, 3], "replicas": 2})
    assert (config.data.dim, config.tree.subclasses, config.replicas) == (64, [2, 3], 2)
    assert config.network == Config().network
    assert differences(config, Config()) == {"replicas": 2, "tree.subclasses": [2, 3], "data.dim": 64}
    assert differences(config, config) == {}
    with pytest.raises(InputError, match=r"unknown key data.dims; did you mean data.dim"):
        Config().replace({"data.dims": 3})
    with pytest.raises(InputError, match=r"need as many dimensions"):
        Config().replace({"data.dim": 3, "tree.subclasses": 2})


def test_the_target_differs_where_it_says_so():
    config = Config().replace({"target.noise": 2.0, "target.feature_noise": [0.1, 0.3]})
    assert differences(config.at_target, Config()) == {"data.noise": 2.0, "data.feature_noise": [0.1, 0.3]}
    assert Config().at_target == Config()
    with pytest.raises(InputError, match=r"target: training.engine 'lucky' tests on unshifted samples only"):
        config.replace({"training.engine": "lucky"})


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_a_theory_with_one_law_for_all_configurations_has_a_tree_of_its_own(name):
    """`tree` is then no part of it, however large."""
    import theory_sim as ts

    law = ts.PatchLaw(ts.LabelTree.of(2, 3), 6, ts.Gaussian(0.5), {"easy": [ts.Group(ts.Node(1), 2)]})
    ts.register_theory(ts.Theory(name, law))
    try:
        config = Config(theory=name).replace({"tree.subclasses": 40, "data.dim": 16})
        assert (config.name, config.tree.subclasses, config.networks) == (name, 40, ("coarse", "fine"))
        with pytest.raises(InputError, match=f"law: the theory {name} has no parameters of its own"):
            config.replace({"law.x": 1})
        with pytest.raises(InputError, match=r"data\.dim: 8 features .* need as many dimensions, got 7"):
            config.replace({"data.dim": 7})
    finally:
        ts.THEORIES.remove(name)
        ts.SETUPS.remove(name)
    with pytest.raises(InputError, match=r"tree\.subclasses: 40 do not fit into data\.dim = 16 dimensions"):
        Config().replace({"tree.subclasses": 40, "data.dim": 16})
