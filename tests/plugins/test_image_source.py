"""An image source in one file: through the command line, its hash, and the checks of the contract."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from theory_sim import cli
from theory_sim.pretraining.datasets import IMAGE_SOURCES, Data
from theory_sim.runtime import plugins
from theory_sim.testing.image_sources import check_image_source

PLUGIN = Path(__file__).parent / "image_source.py"
STUDY = """
name: stripes
plugins: [{plugin}]
seeds: 1
controls: []
keep: none
data: {{source: stripes}}
labels: {{functions: [level(1), leaf]}}
model: {{width: 4}}
pretraining: {{steps: 4, batch: 8}}
transfer: {{modes: [finetune], steps: [2], training: {{batch: 8}}}}
"""


@pytest.fixture(autouse=True)
def _without_stripes():
    yield
    IMAGE_SOURCES.remove("stripes")


@pytest.fixture
def pretrain(monkeypatch, capsys, tmp_path):
    def call(*arguments: object) -> tuple[int, str, str]:
        command = ["theory-sim", "pretrain", *map(str, arguments), "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def study(tmp_path) -> Path:
    """A study and its plugin, side by side."""
    shutil.copy(PLUGIN, tmp_path / "stripes.py")
    (tmp_path / "study.yaml").write_text(STUDY.format(plugin="stripes.py"))
    return tmp_path / "study.yaml"


def cells(tmp_path: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (tmp_path / "out/_images/cells").glob("*/*s.safetensors")}


def folders(tmp_path: Path) -> set[str]:
    return {path.parent.name for path in (tmp_path / "out/stripes").glob("*/results.csv")}


def test_it_keeps_the_contract(tmp_path):
    plugins.load([str(PLUGIN)])
    assert check_image_source(Data(source="stripes"), tmp_path) == []


def test_a_study_names_it_by_a_plugin_beside_its_file(study, pretrain, tmp_path):
    code, out, err = pretrain(study)
    assert (code, "not cached" in out) == (0, False), err
    (results,) = (tmp_path / "out/stripes").glob("*/results.csv")
    assert set(pd.read_csv(results).kind) == {"baseline", "level", "leaf"}
    done = cells(tmp_path)
    assert len(done) == 5  # a baseline, and pretraining and transfer of two label functions
    assert pretrain(results.parent / "config.yaml")[0] == 0
    assert cells(tmp_path) == done


def test_the_option_imports_it(study, pretrain, tmp_path):
    study.write_text(STUDY.replace("plugins: [{plugin}]\n", "").format())
    code, _, err = pretrain(study)
    assert code == 2
    assert "data.source: unknown image source 'stripes'; there are " in err
    assert all(name in err for name in ("digits", "tree", "inat2021", "imagenet", "huggingface"))
    assert "did you mean digits?" in pretrain(study, "--set", "data.source=digit")[2]
    assert pretrain(study, "--plugin", tmp_path / "stripes.py")[0] == 0
    assert pretrain(study, "--plugin", tmp_path / "absent.py")[2].endswith("absent.py: no such file\n")


def test_an_edited_source_is_another_study_and_a_comment_is_not(study, pretrain, tmp_path):
    plugin = tmp_path / "stripes.py"
    assert pretrain(study)[0] == 0
    before, done = folders(tmp_path), cells(tmp_path)
    plugin.write_text(plugin.read_text() + "\n# A comment elsewhere.\n")
    assert pretrain(study)[0] == 0
    assert (folders(tmp_path), cells(tmp_path)) == (before, done)
    plugin.write_text(plugin.read_text().replace("% 2 * 120", "% 2 * 121"))
    assert pretrain(study)[0] == 0
    assert (len(folders(tmp_path)), len(cells(tmp_path))) == (2, 10)


def test_a_source_that_cannot_be_read_is_run_and_not_cached(study, pretrain, tmp_path):
    plugin = tmp_path / "stripes.py"
    plugin.write_text(f"exec(compile({plugin.read_text()!r}, '<generated>', 'exec'))\n")
    for runs in (1, 2):
        code, out, _ = pretrain(study)
        assert code == 0
        assert "not cached, because its source cannot be read: image source stripes\n" in out
        assert len(folders(tmp_path)) == runs  # results of their own
        kept = {path.name for path in (tmp_path / "out/stripes").iterdir()}
        assert kept == folders(tmp_path)  # and no cells
