"""Manners at the shell: help, version, quiet and verbose, completion, shipped configurations, the command config."""

import io
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from outcome import Call, rows, strict
from rich.cells import cell_len
from rich.text import Text

from theory_sim.cli.loudness import first
from theory_sim.config import Config, load_config
from theory_sim.runtime.display import new_console, new_table
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.provenance import package_version
from theory_sim.runtime.settings import all_keys, section_of_key, value_at
from theory_sim.runtime.shipped import shipped_configs

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "theory_sim"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


# Help, version, options of all commands.


def test_short_help_and_version(call: Call) -> None:
    for command in ([], ["verify"], ["runs", "delete"], ["config"]):
        short, long = (call(*command, option) for option in ("-h", "--help"))
        assert short == long
        assert (short.code, short.err) == (0, "")
    assert call("--version").out == f"theory-sim {package_version()}\n"


def test_help_says_what_comes_first(call: Call) -> None:
    text = " ".join(call("-h").out.split())
    for part in ("else from --set, else from CONFIG, else from the theory's defaults", "THEORY_SIM_OUT", "NO_COLOR"):
        assert part in text


def test_quiet_and_verbose_stand_anywhere() -> None:
    assert first(["verify", "small", "-q"]) == ["-q", "verify", "small"]
    assert first(["verify", "--", "-q"]) == ["verify", "--", "-q"]
    assert first(["-v", "list", "claims", "--quiet"]) == ["-v", "--quiet", "list", "claims"]


def test_quiet_prints_no_progress(call: Call, config_file: Path) -> None:
    loud = call("simulate", config_file, "--device=cpu", "--out=loud", "--set=training.steps=10")
    quiet = call("simulate", config_file, "--device=cpu", "--out=quiet", "--set=training.steps=10", "-q")
    assert loud.err.startswith("training 1/10")
    assert quiet.err == ""
    assert quiet.out.replace("quiet", "loud") == loud.out


def test_verbose_names_the_place_of_an_error(call: Call) -> None:
    done = call("verify", "--set", "x=1", "-v")
    assert done.code == 2
    assert done.err.startswith("Traceback")
    assert done.err.splitlines()[-1].startswith("error: unknown key x")


def test_completion() -> None:
    asked = {"_THEORY_SIM_COMPLETE": "complete_bash", "COMP_WORDS": "theory-sim ver", "COMP_CWORD": "1"}
    program = [sys.executable, "-c", "import sys; sys.argv[0] = 'theory-sim'; from theory_sim.cli import main; main()"]
    done = subprocess.run(program, env=os.environ | asked, capture_output=True, text=True, check=False, timeout=100)
    assert (done.stdout, done.stderr) == ("verify\n", "")


@pytest.mark.parametrize(("variables", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], colored: bool) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm-256color"} | variables).items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    new_console().print("holds", style="green")
    assert ("\x1b[32m" in stream.getvalue()) == colored


def test_narrow_terminals_cut_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of claims were cut at 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    table = new_table("claim", "method", "bound", "long heading", "another heading")
    table.add_row("coarse-training-loss", "t ∪ Cox ∪ Clopper–Pearson, n = 10000, 5 replicas", "≤ 0.05", "w" * 50, "y z " * 20)
    new_console().print(table)
    text = stream.getvalue()
    assert "coarse-training-loss" in text
    assert "…" not in text
    assert text.count("w") == 50
    assert max(map(cell_len, Text.from_ansi(text).plain.splitlines())) <= 80


def test_a_table_wider_than_the_terminal_becomes_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 40 columns the verdicts were gone, and numbers stood upright, one figure a line."""
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    table = new_table("claim", "estimate", "interval", "bound", "verdict", title="Theorem 1")
    table.add_row("coarse-training-loss", "0.00343", "[0.002797, 0.00411]", "", Text("holds", "green"))
    table.add_row("coarse-hard-error", "0.8273", "[0.7636, 0.88] or another, by a union", "≥ 0.5", "undecided")
    new_console().print(table)
    assert [line.rstrip() for line in Text.from_ansi(stream.getvalue()).plain.splitlines()] == [
        "Theorem 1",
        "coarse-training-loss",
        "  estimate: 0.00343",
        "  interval: [0.002797, 0.00411]",
        "  verdict: holds",
        "coarse-hard-error",
        "  estimate: 0.8273",
        "  interval: [0.7636, 0.88] or another,",
        "  by a union",
        "  bound: ≥ 0.5",
        "  verdict: undecided",
    ]


# Trouble around the program.


@pytest.mark.parametrize("arguments", ["list configs", "config", "runs list --out .", "--help", "regime small"])
def test_without_home_in_a_read_only_folder_on_a_dumb_terminal(arguments: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "HOME"} | {"TERM": "dumb"}
    tmp_path.chmod(0o500)
    try:
        done = subprocess.run(
            [*PROGRAM, *arguments.split()], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=200
        )
    finally:
        tmp_path.chmod(0o700)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    bash = f"{' '.join(PROGRAM)} config | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", bash], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=200)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")


@pytest.mark.parametrize(("command", "advice"), [("regime", ""), ("verify", "; run the same command again to continue")])
def test_an_interrupt_is_one_line(call: Call, monkeypatch: pytest.MonkeyPatch, command: str, advice: str) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("theory_sim.theories.theory.check_regime", interrupted)
    done = call(command)
    assert (done.code, done.out, done.err) == (130, "", f"interrupted{advice}\n")


# Which configuration.


def test_shipped_configurations_go_by_name_from_any_folder(call: Call, tmp_path: Path) -> None:
    assert {"default", "small", "theory_scale", "dimension/d128", "digits"} <= {*shipped_configs()}
    for name in ("small", "configs/small.yaml", "dimension/d128", "configs/dimension/d128.yaml"):
        shown = yaml.safe_load(call("config", name, "--resolved").out)
        file = ROOT / "configs" / f"{name.removeprefix('configs/').removesuffix('.yaml')}.yaml"
        assert shown == load_config(file).model_dump(mode="json")
    (tmp_path / "small").write_text("name: mine\n")
    assert "name: mine" in call("config", "small", "--resolved").out, "a file comes first"
    assert "there is no file and no shipped configuration smal; did you mean small?" in call("verify", "smal").complaint
    assert "cannot read the configuration smal.yaml" in call("verify", "smal.yaml").complaint


def test_all_shipped_files_are_package_data() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["theory_sim.configs"]
    shipped = {path for pattern in patterns for path in (ROOT / "configs").glob(pattern)}
    assert {*shipped_configs().values()} == shipped


def test_a_file_of_another_kind_names_its_command(call: Call, tmp_path: Path) -> None:
    study = ROOT / "configs" / "studies" / "hierarchy.yaml"
    for command in ("verify", "simulate", "regime", "check-data", "pretrain", "config"):
        assert call(command, study).complaint == f"error: {study} is a study: theory-sim study {study}\n"
    images = ROOT / "configs" / "digits.yaml"
    assert f"real images: theory-sim pretrain {images}" in call("simulate", "digits").complaint
    small = ROOT / "configs" / "small.yaml"
    for command in ("pretrain", "study"):
        assert f"of the simulator: theory-sim verify {small}" in call(command, small).complaint
    (tmp_path / "typo.yaml").write_text("treee: {coarse: 2}\n")
    assert "unknown key treee; did you mean tree?" in call("verify", "typo.yaml").complaint


def test_results_go_where_the_environment_says(call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEORY_SIM_OUT", "elsewhere")
    done = call("simulate", config_file, "--device=cpu", "--set=training.steps=5")
    assert "results: elsewhere/tiny/" in done.out
    assert call("runs", "list").out.endswith("1 run in elsewhere\n")
    assert "there is no folder of results there" in call("runs", "list", "--out", "there").complaint


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("noise=3", "data.noise, hard.noise, target.noise or record.noise"),
        ("samples=3", "transfer.samples or test.samples"),
        ("neuron=3", "network.neurons"),
        ("record.feature_noise=3", "data.feature_noise, hard.feature_noise or target.feature_noise"),
        ("data.nois=1", "data.noise"),
    ],
)
def test_keys_of_other_sections_are_suggested(call: Call, text: str, meant: str) -> None:
    key = text.partition("=")[0]
    assert call("verify", "--set", text).complaint == f"error: unknown key {key}; did you mean {meant}?\n"


def test_settings_say_how_to_change_them() -> None:
    """Pydantic's own words were shown."""
    config = Config()
    with pytest.raises(InputError, match=r"replicas: settings cannot be changed; replace\({'replicas': 3}\) makes others"):
        config.replicas = 3
    with pytest.raises(InputError, match="noise: settings cannot be changed"):
        config.data.noise = 3.0
    with pytest.raises(InputError, match="replicas: settings cannot be changed"):
        del config.replicas
    assert config == Config()


@pytest.mark.parametrize("text", ["data.dim=1e2", "data.dim=100.0", "network.neurons=1e1", "seed=1e3"])
def test_whole_numbers_in_any_form(text: str) -> None:
    key, _, value = text.partition("=")
    assert value_at(load_config(overrides=[text, "tree.subclasses=3"]), key) == float(value)


# The command config.


def test_config_shows_every_key(call: Call) -> None:
    found = {each["key"]: each for each in strict(call("config", "small", "--json", "-").out)}
    values = {key for key in all_keys(Config) if section_of_key(Config, key) is None}
    assert set(found) == values
    assert all(each["description"] for each in found.values()), "each has a description"
    small = load_config(ROOT / "configs" / "small.yaml")
    for key, each in found.items():
        assert (each["value"], each["default"]) == (value_at(small, key), value_at(Config(), key))
    symbols = {key: each["symbol"] for key, each in found.items() if each["symbol"]}
    assert symbols["tree.coarse"] == "K"
    assert symbols["data.noise"] == "σ_ζ√d"
    assert symbols["hard.feature_noise"] == "[ι†_lo, ι†_hi]"
    assert symbols["training.step_size"] == "η"
    assert "data.basis" not in symbols
    assert {key: each["source"] for key, each in found.items()}["data.strength_spread"] == "recalled"
    assert found["data.noise"]["unit"] == "norm of a feature (1)"
    assert found["claims.training_loss"]["unit"] == "nats"
    assert rows(call("config", "small").out)["replicas"][1:3] == ["6", "5"]


def test_symbols_are_those_of_the_notation_table(call: Call) -> None:
    found = {each["key"]: each["symbol"] for each in strict(call("config", "--json", "-").out)}
    page = (ROOT / "docs" / "theory" / "model.md").read_text()
    one = {key: symbol.strip() for symbol, key in re.findall(r"^\|([^|]*)\| `([a-z0-9_.]+)` \|", page, re.M)}
    assert len(one) >= 6
    for key, symbol in one.items():
        if key in found:
            assert found[key] == symbol.partition(":")[0], key


def test_explain(call: Call) -> None:
    text = call("config", "--explain", "data.noise").out
    assert dict(line.split(":", 1) for line in text.splitlines())["unit"].strip() == "norm of a feature (1)"
    assert set(rows(call("config", "--explain", "tree").out)) == {"tree.coarse", "tree.subclasses", "tree.tail"}
    assert "label function that each network" in call("config", "--explain", "labels.fine").out
    message = call("config", "--explain", "noise").complaint
    assert message == "error: unknown key noise; did you mean data.noise, hard.noise, target.noise or record.noise?\n"
    assert "show different things" in call("config", "--schema", "--resolved").complaint


def test_explain_names_the_parameters_of_a_theorys_law_and_of_an_engine(call: Call) -> None:
    """They were once shown as one value, without what each of them means."""
    theory = ("config", "benign_overfitting")
    text = call(*theory, "--explain", "law.flip").out
    assert "default:     0.1" in text
    assert "probability" in text
    assert {"law.signal", "law.flip"} <= set(rows(call(*theory, "--explain", "law").out))
    assert {"law.signal", "engine.activation"} <= set(rows(call(*theory).out))
    assert "unknown key law.signl; did you mean law.signal?" in call(*theory, "--explain", "law.signl").complaint
    assert "the theory's own law" in call("config", "--explain", "law.signal").out, "the default theory has none"


def test_schema_is_json_schema(call: Call) -> None:
    schema = json.loads(call("config", "--schema").out)
    assert schema["$defs"]["DataSettings"]["properties"]["dim"]["minimum"] == 1
    assert schema["$defs"]["DataSettings"]["properties"]["noise"]["description"].startswith("σ_ζ√d")
