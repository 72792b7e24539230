"""Plain YAML: one form of numbers; other forms are refused with what to write; a written text is read as it was."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory_sim.config import Config, load_config
from theory_sim.labels.functions import parsed
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.plain_yaml import parse_value, parse_yaml, yaml_text
from theory_sim.studies.sweep import parse_axis

READ = {
    "0": 0,
    "-3": -3,
    "+1": 1,
    "1e5": 100000,
    "1E2": 100,
    "64.0": 64,
    "5.": 5,
    ".5": 0.5,
    "-0.5e-3": -0.0005,
    "1e300": 1e300,
    "1e999": math.inf,
    "-.inf": -math.inf,
    "true": True,
    "False": False,
    "null": None,
    "~": None,
    "": None,
    "=": "=",
    "12 apples": "12 apples",
    "1.2.3": "1.2.3",
    "١٢": "١٢",
    "y": "y",
    "Infinity": "Infinity",
    "'010'": "010",
    '"no"': "no",
    "'null'": "null",
}


@pytest.mark.parametrize(("text", "value"), READ.items(), ids=READ)
def test_a_value_is_read_alike_on_the_command_line_and_in_a_file(text, value):
    for read in (parse_value(text, "--set x"), parse_yaml(f"a: {text}\n", "f.yaml")["a"]):
        assert (read, type(read)) == (value, type(value))


REFUSED = {
    "010": "write 10,",
    "-007": "write -7,",
    "00.5": "write 0.5,",
    "1_000": "write 1000,",
    "1_0.5": "write 10.5,",
    "1e1_0": "write 1e10,",
    "0x1F": "write 31,",
    "0o17": "write 15,",
    "-0b11": "write -3,",
    "1:30": "write the number in decimal digits,",
    "1:30:00.5": "write the number in decimal digits,",
    "2001-01-01": "write a number,",
    "2001-1-1 10:00:00": "write a number,",
    "yes": "write true,",
    "No": "write false,",
    "ON": "write true,",
    "off": "write false,",
    "<<": "merge keys (<<) are not supported",
    "&a": "anchors (&name) and aliases (*name) are not supported: write the value out, or put quotes around a text",
    "*a": "anchors (&name) and aliases (*name) are not supported",
}


@pytest.mark.parametrize(("text", "advice"), REFUSED.items(), ids=REFUSED)
def test_what_yaml_reads_in_several_ways_is_refused_with_what_to_write(text, advice):
    """YAML 1.1 reads 010 as 8, 1:30 as 90 and no as false: the same text on the command line, in a file and in a grid."""
    for read in (
        lambda: parse_value(text, "--set seed"),
        lambda: parse_yaml(f"a: {text}\n", "f.yaml"),
        lambda: parse_yaml(f"a:\n- [{text}]\n", "f.yaml"),
        lambda: parse_axis(f"seed=1,{text}"),
    ):
        with pytest.raises(InputError) as error:
            read()
        assert advice in str(error.value)
        assert "\n" not in str(error.value)


def test_an_error_names_the_line():
    message = 'f.yaml, line 3: YAML\'s versions read 010 differently: write 10, or "010" with quotes'
    with pytest.raises(InputError, match=message):
        parse_yaml("data:\n  dim: 3\n  noise: 010\n", "f.yaml")


@pytest.mark.parametrize("text", ["set #2", "#2", "a: b", "- a", "? a", "a, b", "it's", "50%", "a [b]"])
def test_text_of_the_command_line_is_kept_whole(text):
    """In a file # begins a comment, and a colon or a dash makes a mapping or a list."""
    assert parse_value(f" {text} ", "--set x") == text


@pytest.mark.parametrize("text", ["[a #b]", "[1, 2] # two", "[1] #", "{a: 1 #\n}"])
def test_a_comment_in_a_list_of_the_command_line_is_refused(text):
    with pytest.raises(InputError, match="put quotes around a text that holds #"):
        parse_value(text, "--set x")


def test_commas_between_the_arguments_of_a_label_function_separate_no_values():
    assert parse_axis("labels.fine=leaf, split(1, 4),mine(a, 2)") == ("labels.fine", ["leaf", "split(1, 4)", "mine(a, 2)"])


def test_numbers_of_label_functions_have_the_same_form():
    assert parsed("split(2, 10)") == ("split", (2, 10))
    assert parsed("level(01)") == ("level", ("01",))  # no number: refused as such
    with pytest.raises(InputError, match=r"level\(01\).*with depth a whole number"):
        load_config(overrides=["labels.fine=level(01)"])


def test_whole_numbers_may_be_written_as_floats():
    config = load_config(overrides=["training.steps=1e4", "data.dim=64.0", "hard.noise=2e0"])
    assert (config.training.steps, config.data.dim, config.hard.noise) == (10000, 64, 2)
    assert type(config.training.steps) is int
    with pytest.raises(InputError, match=r"data.dim: should be a valid integer, got 64.5"):
        load_config(overrides=["data.dim=64.5"])


def test_explicit_tags_build_no_other_form():
    for text in ("!!int 010", "!!float 1_0", "!!timestamp 2001-01-01", "!!binary aGk=", "!!set {a}", "!mine 1"):
        with pytest.raises(InputError):
            parse_yaml(f"a: {text}", "f.yaml")


def test_a_nul_character_is_refused():
    """No path and no name can hold it: Python would raise much later."""
    with pytest.raises(InputError, match="NUL"):
        parse_yaml('path: "a\\0b"', "f.yaml")


def test_wide_trees_of_aliases_are_not_unfolded():
    """Nine levels of nine aliases each are 400 million values."""
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else '1'] * 9)}]" for n in range(9))
    with pytest.raises(InputError, match="anchors"):
        parse_yaml(levels, "f.yaml")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False).map(lambda x: int(x) if x.is_integer() and abs(x) < 2**53 else x)
    | st.text(st.characters(exclude_characters="\0"))
    | st.sampled_from([*READ, *REFUSED]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_characters="\0")), inner),
    max_leaves=5,
)


@given(plain)
def test_what_is_written_is_read_as_it_was(value):
    """PyYAML's own writer leaves 1e5 and 0o17 without quotes, since YAML 1.1 reads them as texts."""
    assert parse_yaml(yaml_text(value), "f.yaml") == value


def test_a_written_name_that_looks_like_a_number_is_read_as_a_name(tmp_path):
    for name in ("1e5", "010", "1_000", "no"):
        config = Config(name=name)
        (tmp_path / "c.yaml").write_text(yaml_text(config.model_dump(mode="json")), encoding="utf-8")
        assert load_config(tmp_path / "c.yaml") == config


@pytest.mark.parametrize(
    "override",
    [
        f"data.dim={'a' * 129_000}",
        f"data.dim=[{'1, ' * 4_000}]",
        f"labels.fine={'a' * 129_000}",
        f"labels.fine=level({'1, ' * 40_000})",
        f"theory={'a' * 129_000}",
        f"training.engine={'a' * 129_000}",
        f"transfer.readouts=[{'a' * 129_000}]",
        f"data={'a' * 129_000}",
        f"{'a' * 129_000}=1",
        f"{'a.' * 60_000}a=1",
        f"data.dim.{'a' * 129_000}=1",
        "a" * 129_000,
        f"seed={'9' * 129_000}",
        f"seed={'0' * 129_000}",
        f"seed=[{'0' * 129_000}",
        f"name={'{'}{'a' * 129_000}: 1, {'a' * 129_000}: 2{'}'}",
        f"labels.{'a' * 129_000}=leaf",
        f"law.{'a' * 129_000}=1",
        f"tree.subclasses={'[' * 80}{']' * 80}",
    ],
    ids=lambda text: text[:24],
)
def test_long_values_are_shortened_in_messages(override):
    """A message once held 129,000 characters of a wrong value."""
    with pytest.raises(InputError) as error:
        load_config(overrides=[override])
    assert len(str(error.value)) < 700
    assert "\n" not in str(error.value)
