"""Settings of sections that are made up here: bounds, overrides, what is refused, and what the one line says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from theory_sim.config import load_config
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.plain_yaml import parse_yaml, read_yaml
from theory_sim.runtime.settings import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    Range,
    Section,
    Seed,
    Share,
    checked,
    differences,
    load_settings,
    value_at,
)


class Inner(Section):
    """A section within a section."""

    share: Share = 0.5
    many: list[int] | None = None


class Part(Section):
    """A section."""

    inner: Inner = Inner()
    size: Count = 3


class Whole(Section):
    """A configuration."""

    part: Part = Part()
    ends: Range = Field(default=[0.0, 1.0])
    rate: NonNegative = 0.1
    name: str = "x"
    kind: int | bool | None = None
    named: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> "Whole":
        if self.name == "bad":
            raise ValueError("name and part do not fit together")
        return self


class Told(Section):
    """A configuration whose sections must be given."""

    words: dict[str, str]
    part: Part


@pytest.mark.parametrize(
    ("kind", "lowest", "highest", "below", "above"),
    [
        (Positive, 5e-324, 1e18, 0.0, 1.1e18),
        (NonNegative, 0.0, 1e18, -5e-324, 1.1e18),
        (Share, 0.0, 1.0, -5e-324, 1.0000001),
        (Count, 1, 10**9, 0, 10**9 + 1),
        (CountOrZero, 0, 10**9, -1, 10**9 + 1),
        (Seed, 0, 2**63 - 1, -1, 2**63),
    ],
)
def test_bounds_are_part_of_the_range_and_what_is_beyond_them_is_not(kind: Any, lowest, highest, below, above):
    adapter = TypeAdapter(kind)
    for value in (lowest, highest):
        assert adapter.validate_python(value) == value
    for value in (below, above):
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


@given(st.floats(0, 1e18), st.floats(0, 1e18))
def test_a_range_goes_from_its_lower_to_its_upper_end(a, b):
    low, high = sorted((a, b))
    assert load_settings(Whole, ends=[low, high]).ends == [low, high]
    assert load_settings(Whole, ends=[low, low]).ends == [low, low]
    if low < high:
        with pytest.raises(InputError, match=r"^ends: the lower end .* is above the upper end"):
            load_settings(Whole, ends=[high, low])


@pytest.mark.parametrize("ends", [[], [0.5], [0.1, 0.2, 0.3], [-0.1, 0.2]])
def test_a_range_has_two_ends_that_are_not_negative(ends):
    with pytest.raises(InputError, match=r"^ends"):
        load_settings(Whole, ends=ends)


def test_checked_settings_cannot_be_changed():
    with pytest.raises(InputError, match=r"name: settings cannot be changed; replace\({'name': 'y'}\) makes others"):
        load_settings(Whole).name = "y"


@pytest.mark.parametrize("text", ["1e-3", "1.e-3", "+1E-3", ".1e-2", "0.001", "10e-4"])
def test_every_way_to_write_a_number_is_one(text):
    assert load_settings(Whole, overrides=[f"rate={text}"]).rate == pytest.approx(1e-3)


@pytest.mark.parametrize("text", ["1e", "e3", "1e-3x", "x1e-3", "1e3.5", "1.2.3e4"])
def test_what_only_looks_like_a_number_is_text(text):
    assert parse_yaml(text, "here") == text


def test_overrides_reach_sections_that_are_absent_or_empty(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("part:\n")
    for overrides in (["part.inner.share=0.25", " part.size =7"], ["part.size=7", "part.inner.share=0.25"]):
        for of in (path, None):
            settings = load_settings(Whole, of, overrides)
            assert (settings.part.inner.share, settings.part.size, settings.rate) == (0.25, 7, 0.1)


def test_the_last_override_counts_and_values_count_more():
    assert load_settings(Whole, overrides=["name=a", "name=b"]).name == "b"
    assert load_settings(Whole, overrides=["name=a"], name="c").name == "c"
    assert load_settings(Whole, overrides=["name=a"], name=None).name == "a"
    assert load_settings(Whole, overrides=["name='a=b'"]).name == "a=b"


def test_values_are_prepared_after_all_of_them_are_read_and_before_they_are_checked(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("rate: 0.3\n")
    seen = []

    def prepare(tree):
        seen.append(dict(tree))
        tree["rate"] = 0.7

    assert load_settings(Whole, path, ["part.size=2"], prepare, name="y").rate == 0.7
    assert seen == [{"rate": 0.3, "part": {"size": 2}, "name": "y"}]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("part.size", "--set part.size: expected section.key=value"),
        ("=3", "--set =3: expected section.key=value"),
        (" =3", "--set  =3: expected section.key=value"),
        ("name.part=3", "name: "),
        ("part.siez=3", "unknown key part.siez; did you mean part.size?"),
        ("part.inner.shar=3", "unknown key part.inner.shar; did you mean part.inner.share?"),
        ("neme=3", "unknown key neme; did you mean name?"),
        ("part=3", "part: should be a section of keys, got 3"),
        ("part.inner=[1]", "part.inner: should be a section of keys, got [1]"),
        ("part.size=0", "part.size: should be greater than or equal to 1, got 0"),
        ("part.inner.share=1.5", "part.inner.share: should be less than or equal to 1, got 1.5"),
        ("part.size='3'", "part.size: should be a valid integer, got '3'"),
        ("name=bad", "name and part do not fit together"),
        ("kind=x", "kind: should be a valid integer or should be a valid boolean, got 'x'"),
        ("ends=[2,1]", "ends: the lower end 2.0 is above the upper end 1.0, got [2, 1]"),
    ],
)
def test_one_line_says_what_is_wrong(override, message):
    with pytest.raises(InputError) as error:
        load_settings(Whole, overrides=[override])
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_an_empty_section_has_the_defaults():
    assert checked(Whole, {"part": None}) == checked(Whole, {}) == checked(Whole, {"part": {"inner": None}, "named": None})
    assert checked(Told, {"words": None, "part": None}) == checked(Told, {"words": {}, "part": {}})
    with pytest.raises(InputError, match=r"^rate: should be a valid number, got None$"):
        checked(Whole, {"rate": None})


def test_a_value_is_no_section():
    with pytest.raises(InputError, match=r"^--set part\.size\.x=1: size is a value, not a section$"):
        load_settings(Whole, overrides=["part.size=3", "part.size.x=1"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: a\nrate: 1\nname: b\n", r", line 3: .*key 'name' occurs twice"),
        (b"part:\n  size: 1\n  size: 2\n", r", line 3: .*key 'size' occurs twice"),
        (b"name: a\nrate: [1\n", r", line 3: not plain YAML: "),
        (b"name: !!python/name:os.system x\n", r", line 1: not plain YAML: "),
        (b"name: 2001-99-01\n", r", line 1: YAML's versions read 2001-99-01 differently"),
        (b"- 1\n", "a configuration is a mapping of sections, not a list"),
        (b"just text\n", "a configuration is a mapping of sections, not a str"),
        (b"\xff\xfe\xfa", r"cannot read the configuration .*: not a text file"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, content, message):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_yaml(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_absent_and_an_empty_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the configuration .*absent\.yaml: No such file or directory"):
        read_yaml(tmp_path / "absent.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load_settings(Whole, tmp_path / "empty.yaml") == Whole()


def test_errors_of_a_file_name_it(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("rate: -1\n")
    with pytest.raises(InputError, match=r"c\.yaml: rate: should be greater than or equal to 0, got -1$"):
        load_settings(Whole, path)
    with pytest.raises(InputError, match=r"^rate: should be"):
        load_settings(Whole, overrides=["rate=-1"])
    with pytest.raises(InputError, match=r"c\.yaml: rate: should be"):
        load_settings(Whole, path, overrides=["name=else"])
    with pytest.raises(InputError, match=r"c\.yaml: rate: should be"):
        load_settings(Whole, path, rate=None)  # not given
    with pytest.raises(InputError, match=r"^grid 1: rate: should be"):
        checked(Whole, {"rate": -1}, "grid 1: ")


def test_errors_of_an_option_do_not_name_the_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("rate: 1\n")
    with pytest.raises(InputError, match=r"^rate: should be greater than or equal to 0, got -1$"):
        load_settings(Whole, path, overrides=["rate=-1"])
    with pytest.raises(InputError, match=r"^unknown key rato; did you mean rate\?$"):
        load_settings(Whole, path, rato=1)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ("[{momentum: 0.9, stepsize: 1}]", "unknown key engine.phases[0].stepsize; did you mean engine.phases[0].step_size?"),
        ("[{}, {momentum: abc}]", "engine.phases[1].momentum: should be a valid number, got 'abc'"),
        ("[3]", "engine.phases[0]: should be a section of keys, got 3"),
        ("3", "engine.phases: should be a valid list, got 3"),
    ],
)
def test_errors_in_a_list_of_sections_name_the_item(phases, message):
    with pytest.raises(InputError) as error:
        load_config(overrides=["training.engine=gradient", f"engine.phases={phases}"])
    assert str(error.value) == message


@given(st.floats(0, 1), st.integers(1, 10**9), st.none() | st.lists(st.integers(), max_size=3))
def test_differences_are_what_replaces_one_by_the_other(share, size, many):
    base = Whole()
    other = base.replace({"part.inner.share": share, "part.size": size, "part.inner.many": many})
    assert (other.part.inner.share, other.part.size, other.part.inner.many) == (share, size, many)
    changed = differences(other, base)
    assert changed.keys() <= {"part.inner.share", "part.size", "part.inner.many"}
    assert all(value_at(other, key) == value != value_at(base, key) for key, value in changed.items())
    assert base.replace(changed) == other
    assert base == Whole(), "settings that are replaced stay as they are"


def test_values_are_told_as_yaml_holds_them():
    assert value_at(Whole(), "part.inner.many") is None
    assert value_at(Whole(), "part") == {"inner": {"share": 0.5, "many": None}, "size": 3}
    assert value_at(Whole(), "ends") == [0.0, 1.0]
