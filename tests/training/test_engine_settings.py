"""An engine of a user with settings of its own: checked before training, filled in, part of the hash."""

from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim.runtime.errors import InputError

PLUGIN = """
import theory_sim as ts
from theory_sim.training.engines.dense import DenseEngine

class Settings(ts.Section):
    factor: float = 2.0

@ts.register_engine("faster")
class Faster(DenseEngine):
    settings = Settings

    @classmethod
    def initial(cls, config, law, streams, heads, step_size, dictionary):
        factor = config.engine["factor"]
        return super().initial(config, law, streams, heads, step_size * factor, dictionary)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "faster.py"
    path.write_text(PLUGIN)
    return str(path)


def test_settings_of_a_users_engine(plugin: str, config_file: Path, tmp_path: Path) -> None:
    def read(*options: str) -> ts.Config:
        return ts.load_config(config_file, ["training.engine=faster", "training.steps=3", *options], plugins=[plugin])

    plain, faster = read("engine.factor=1.0"), read()
    assert faster.engine == {"factor": 2.0}
    assert ts.results_folder(plain, tmp_path) != ts.results_folder(faster, tmp_path)
    assert plain.replace({"engine.factor": 2.0}) == faster
    losses = [ts.run(config, tmp_path, "cpu").coarse.training_loss.values[:, -1] for config in (plain, faster)]
    assert (losses[1] < losses[0]).all()
    with pytest.raises(InputError, match=r"unknown key engine.factr; did you mean engine.factor\?"):
        read("engine.factr=1.0")
    with pytest.raises(InputError, match=r"engine.factor: .*got 'much'"):
        read("engine.factor=much")


def test_settings_that_are_no_section(plugin: str, config_file: Path) -> None:
    Path(plugin).write_text(PLUGIN.replace("settings = Settings", "settings = dict"))
    with pytest.raises(InputError, match="expected a class that derives from Section"):
        ts.load_config(config_file, ["training.engine=faster"], plugins=[plugin])
