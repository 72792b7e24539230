"""What the README and the findings say can be done can be done."""

import re
from pathlib import Path

import pytest

from theory_sim.config import Config, load_config
from theory_sim.figures.gallery.needed import chosen
from theory_sim.studies.study import study_files

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FINDINGS = (ROOT / "paper_figs" / "FINDINGS.md").read_text()
TINY = '"tree.subclasses=2", "replicas=2", "data.dim=16", "network.neurons=6", "training.steps=10", "test.samples=20"'


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert '"tree.subclasses=4", "replicas=3"' in code
    exec(code.replace('"tree.subclasses=4", "replicas=3"', TINY), {})
    assert capsys.readouterr().out.count("\n") == 9


def test_every_key_in_the_notation_table_is_one():
    rows = [line for line in README.split("| symbol | key | | symbol | key |")[1].split("\n\n")[0].splitlines() if "`" in line]
    keys = [key for line in rows for key in re.findall(r"`([a-z0-9_.]+)`", line) if not key.startswith(".")]
    assert len(keys) >= 15
    for key in keys:
        value = Config()
        for part in key.split("."):
            value = getattr(value, part)


@pytest.mark.parametrize("setting", re.findall(r"theory-sim verify (--set .*?)(?:  +#.*|`.*)?$", README + FINDINGS, re.M))
def test_every_setting_shown_loads(setting):
    load_config(overrides=[text.strip('"') for text in re.split(r"\s*--set\s+", setting) if text])


@pytest.mark.parametrize(("text", "folder"), [(README, ROOT), (FINDINGS, ROOT / "paper_figs")], ids=["README", "FINDINGS"])
def test_every_link_and_picture_is_there(text, folder):
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.startswith("https://") or (folder / target.split("#")[0]).exists(), target


def test_every_finding_names_what_there_is():
    studies = set(re.findall(r"theory-sim study (\w+)", FINDINGS))
    assert studies == {path.stem for path in study_files()}
    drawn = set(re.findall(r"theory-sim figures (\w+)", FINDINGS))
    assert len(chosen(sorted(drawn))) == len(drawn) > 0
