"""Wrong values, files and options: each is one line, and nothing is written."""

from pathlib import Path

import pytest
from outcome import Call

# Wrong values.

WRONG_VALUES = [
    ("data.nois=1", ["unknown key data.nois", "did you mean data.noise?"]),
    ("training.step_size.coars=1", ["unknown key training.step_size.coars", "did you mean training.step_size.coarse?"]),
    ("dta.noise=1", ["unknown key dta", "did you mean data?"]),
    ("data=3", ["data: should be ", "got 3"]),
    ("data.dim=abc", ["data.dim: ", "valid integer", "got 'abc'"]),
    ("data.dim=64.5", ["data.dim: ", "valid integer", "got 64.5"]),
    ("training.steps=true", ["training.steps: ", "valid integer", "got True"]),
    ("data.noise=-1", ["data.noise: ", "greater than or equal to 0", "got -1"]),
    ("replicas=0", ["replicas: ", "greater than or equal to 1", "got 0"]),
    ("data.noise=.nan", ["data.noise: ", "finite number", "got nan"]),
    ("data.noise=.inf", ["data.noise: ", "finite number", "got inf"]),
    ("data.noise=1e999", ["data.noise: ", "finite number", "got inf"]),
    ("data.feature_patches=7", ["data.patches: 12 patches cannot hold the 14 that easy samples need"]),
    ("data.dim=7", ["data.dim: 8 features", "got 7"]),
    ("labels.fine=lefa", ["labels.fine: unknown label function 'lefa'", "there are aligned, cluster, cluster-within, group, "]),
    ("labels.coarse=level(3)", ["labels.coarse: level(3)", "levels 1 to 2"]),
    ("tree.subclasses=[3]", ["tree.subclasses: 1 entries for tree.coarse = 2 classes"]),
    ("tree.subclasses=[3, 3, 3]", ["tree.subclasses: 3 entries for tree.coarse = 2 classes"]),
    ("data.feature_noise=[0.4, 0.2]", ["data.feature_noise: the lower end 0.4 is above the upper end 0.2"]),
    ("name=../elsewhere", ["name: ", "got '../elsewhere'"]),
    ("data.noise", ["--set data.noise: expected section.key=value"]),
    ("=1", ["--set =1: expected section.key=value"]),
    ("name.first=x", ["--set name.first=x: name is a value, not a section"]),
    ("data.dim.x=1", ["--set data.dim.x=1: dim is a value, not a section"]),
    ("data.dim=[", ["--set data.dim=[: not plain YAML: "]),
]


@pytest.mark.parametrize(("text", "parts"), WRONG_VALUES, ids=[text for text, _ in WRONG_VALUES])
def test_wrong_value(call: Call, config_file: Path, tmp_path: Path, text: str, parts: list[str]) -> None:
    message = call("simulate", config_file, "--set", text).complaint
    for part in parts:
        assert part in message
    assert list(tmp_path.iterdir()) == []


# Wrong configuration files.

WRONG_FILES = [
    ("data: {noise: [0.5\n", [", line 2: not plain YAML: expected ',' or ']'"]),
    ("data:\n  dim: 32\n  noise: 0.5\n  dim: 64\n", [", line 4: ", "key 'dim' occurs twice"]),
    ("- name: x\n- seed: 1\n", [": a configuration is a mapping of sections, not a list"]),
    ("just text", [": a configuration is a mapping of sections, not a str"]),
    ("data: 2001-99-01\n", [": YAML's versions read 2001-99-01 differently: write a number, or "]),
    ("seed: !!int abc\n", [": not plain YAML: ", "abc"]),
    ("? [data]\n: 1\n", [": not plain YAML: ", "unhashable"]),
    ("data: " + "[" * 1000, [": not plain YAML: maximum recursion depth exceeded"]),
    ("data: \0\n", [": not plain YAML: "]),
]


@pytest.mark.parametrize(("text", "parts"), WRONG_FILES, ids=[text[:20].strip() for text, _ in WRONG_FILES])
def test_wrong_file(call: Call, tmp_path: Path, text: str, parts: list[str]) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    message = call("simulate", "wrong.yaml").complaint
    assert message.startswith("error: wrong.yaml")
    for part in parts:
        assert part in message
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]


def test_objects_in_yaml_are_not_built(call: Call, tmp_path: Path) -> None:
    text = f"!!python/object/apply:os.system ['touch {tmp_path / 'executed'}']"
    (tmp_path / "evil.yaml").write_text(f"name: {text}\n")
    for arguments in (["evil.yaml"], ["/dev/null", "--set", f"name={text}"]):
        assert "not plain YAML: could not determine a constructor" in call("simulate", *arguments).complaint
    assert not (tmp_path / "executed").exists()


def test_unreadable_configuration(call: Call, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, reason in (("absent.yaml", "No such file"), ("folder", "Is a directory"), ("binary", "not a text file")):
        assert f"cannot read the configuration {name}: {reason}" in call("simulate", name).complaint


# Wrong options.


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["simulate", "tiny.yaml", "--fast"], "No such option: --fast"),
        (["simulate", "tiny.yaml", "other.yaml"], "unexpected extra argument"),
        (["simulat", "tiny.yaml"], "No such command 'simulat'"),
        (["verify", "--seed", "one"], "Invalid value for '--seed'"),
        (["check-data", "tiny.yaml", "--samples", "9"], "Invalid value for '--samples'"),
        (["check-data", "tiny.yaml", "--samples", "0"], "Invalid value for '--samples'"),
        (["check-data", "tiny.yaml", "--samples", "-5"], "Invalid value for '--samples'"),
        (["check-data", "tiny.yaml", "--samples", "1.5"], "Invalid value for '--samples'"),
        (["check-data", "tiny.yaml", "--samples", "many"], "Invalid value for '--samples'"),
        (["check-data", "tiny.yaml", "--samples"], "'--samples' requires an argument"),
    ],
)
def test_wrong_options(call: Call, arguments: list[str], part: str) -> None:
    assert part in call(*arguments).complaint


@pytest.mark.parametrize("command", ["simulate", "verify", "check-data"])
@pytest.mark.parametrize(
    ("device", "part"),
    [
        ("cuda:99", "device 'cuda:99' is not there: this machine has "),
        ("cpuu", "unknown device 'cpuu': auto, cpu, cuda or cuda:i"),
        ("meta", "unknown device 'meta'"),
        ("", "unknown device ''"),
    ],
)
def test_wrong_device(call: Call, config_file: Path, command: str, device: str, part: str) -> None:
    assert part in call(command, config_file, "--device", device).complaint


@pytest.mark.parametrize("command", ["verify", "regime", "check-data"])
def test_json_needs_a_folder(call: Call, config_file: Path, tmp_path: Path, command: str) -> None:
    assert "cannot write absent/x.json: its folder does not exist" in call(command, config_file, "--json=absent/x.json").complaint
    assert "cannot write .: it is a folder" in call(command, config_file, "--json=.").complaint
    assert list(tmp_path.iterdir()) == []


def test_out_is_no_folder_of_results(call: Call, config_file: Path, finished: Path) -> None:
    assert f"{config_file} is a file, not a folder for results" in call("simulate", config_file, "--out", config_file).complaint
    assert "Not a directory" in call("simulate", config_file, "--out", config_file / "below").complaint
    message = call("simulate", config_file, "--out", finished).complaint
    assert f"{finished} is the results folder of one configuration, NAME/HASH; give --out the folder that holds NAME" in message
