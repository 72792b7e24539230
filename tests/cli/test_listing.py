"""``theory-sim list``: the objects of each kind, with a description and the place of their definition."""

from pathlib import Path

import pytest
from outcome import Call, rows, strict

from theory_sim.cli.listing import KINDS, Listed, registered
from theory_sim.labels.functions import LABEL_FUNCTIONS
from theory_sim.runtime.registry import Registry
from theory_sim.studies.grids import GRIDS
from theory_sim.studies.study import study_files

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    "theories": ("label-granularity", "theory_sim.theories.label_granularity."),
    "claims": ("transfer-gain", "theory_sim.theories.label_granularity.claims"),
    "trends": ("lucky-sets-kept", "theory_sim.theories.label_granularity.lucky_sets"),
    "measures": ("lucky-growth", "theory_sim.theories.label_granularity.measures"),
    "readouts": ("sum_logits", "theory_sim.training.readouts"),
    "engines": ("dense", "theory_sim.training.engines.dense"),
    "labels": ("level(depth)", "theory_sim.labels."),
    "figures": ("theorem_fine", "theory_sim.figures."),
    "studies": ("hierarchy", "configs/studies/hierarchy.yaml"),
    "configs": ("dimension/d128", "configs/dimension/d128.yaml"),
}


def test_every_kind_has_an_example() -> None:
    assert set(EXAMPLES) == set(KINDS)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_names_descriptions_and_places(kind: str, call: Call, tmp_path: Path) -> None:
    done = call("list", kind, "--json", "list.json")
    found = {each["name"]: each for each in strict((tmp_path / "list.json").read_text())}
    assert (done.code, done.err) == (0, "")
    name, place = EXAMPLES[kind]
    assert place in found[name]["source"]
    assert set(found) <= set(rows(done.out)), "a name is printed in full"
    if kind != "labels":
        assert all(each["description"] for each in found.values())


def test_studies_and_configurations_are_the_files(call: Call, tmp_path: Path) -> None:
    files = {}
    for kind in ("studies", "configs"):
        call("list", kind, "--json", "list.json")
        files[kind] = {Path(each["source"]) for each in strict((tmp_path / "list.json").read_text())}
    assert files["studies"] == {*study_files(), Path("theory_sim.studies.grids")}
    assert files["configs"] == {*(ROOT / "configs").rglob("*.yaml")} - files["studies"]


def test_every_study_that_can_be_run_is_listed(call: Call) -> None:
    """Grids of small networks are in no file: the list, the command's own list and its complaint had to name them too."""
    for text in (call("list", "studies").out, call("study", "--list").out, call("study", "hierarhcy").complaint):
        for name in (*(path.stem for path in study_files()), *GRIDS):
            assert name in text


def test_description_of_a_configuration_is_its_first_sentence(call: Call) -> None:
    found = rows(call("list", "configs").out)
    assert found["small"][1] == "Both theorems at a size for tests and continuous integration."
    assert found["digits"][1].startswith("Real images at any label granularity"), "its first line is a command"


def test_a_plugins_objects_are_listed(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        '''
import theory_sim as ts

@ts.register_label_function("odd-even")
def odd_even(tree, context):
    """Leaves by the parity of their index."""
    return ts.by_leaf("odd-even", tree, ts.place_of(tree) % 2)
'''
    )
    try:
        call("list", "labels", "--plugin", "mine.py", "--json", "list.json")
    finally:
        LABEL_FUNCTIONS.remove("odd-even")
    (found,) = [each for each in strict((tmp_path / "list.json").read_text()) if each["name"] == "odd-even"]
    assert found["description"] == "Leaves by the parity of their index."
    assert found["source"].endswith("mine.py")


def test_registered_objects() -> None:
    def described() -> None:
        """One line.

        More lines.
        """

    registry = Registry[object]("thing")
    registry.add("first", described)
    registry.add("second", described)
    assert list(registered(registry)) == [Listed(name, "One line.", __name__) for name in ("first", "second")]
    assert [each.description for each in registered(registry, lambda value: value.__name__)] == ["described"] * 2


def test_wrong_kind_and_plugin(call: Call) -> None:
    assert call("list", "thing").complaint == f"error: unknown kind 'thing': {', '.join(KINDS)}\n"
    assert call("list", "labels", "--plugin", "absent.py").complaint == "error: plugin absent.py: no such file\n"
