"""The command line as users meet it: what it prints, writes and exits with."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from outcome import Outcome

from theory_sim import cli, experiment, invariants, regime
from theory_sim.config import Config, load_config
from theory_sim.errors import InputError
from theory_sim.studies import study_files

ROOT = Path(__file__).parents[1]
CONFIGS = [
    path
    for path in sorted({*(ROOT / "configs").rglob("*.y*ml")} - set(study_files()))
    if "\npretraining:" not in path.read_text()
]
"""The simulator's; studies and those of the image pipeline are tested with theirs."""
CLAIMS = [
    "coarse-training-loss",
    "coarse-easy-error",
    "coarse-hard-error",
    "coarse-rare-growth",
    "fine-training-loss",
    "fine-easy-error",
    "fine-hard-error",
    "fine-rare-growth",
    "transfer-gain",
]
LAX = {
    "confidence": 0.5,
    "training_loss": 100,
    "easy_error": 1,
    "coarse_hard_error": 1e-9,
    "fine_hard_error": 1,
    "coarse_rare_growth": 100,
    "fine_rare_growth": 1e-9,
    "transfer_gain_p": 1,
}
"""Bounds that the shared configuration meets, all nine."""


Call = Callable[..., Outcome]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run the program in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["theory-sim", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert isinstance(stop.value.code, int)
        return Outcome(stop.value.code, *capsys.readouterr())

    return run


def program(*arguments: object, cwd: Path) -> Outcome:
    """Run the program as a process of its own."""
    command = [sys.executable, "-m", "theory_sim", *map(str, arguments)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=cwd, env=one_thread, capture_output=True, text=True, timeout=300, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def overrides(section: str, values: dict[str, Any]) -> list[str]:
    return [f"--set={section}.{key}={value}" for key, value in values.items()]


def strict(text: str) -> Any:
    """Parse JSON, without Python's own NaN and Infinity."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def rows(table: str) -> dict[str, list[str]]:
    """The cells of each printed row, by the first."""
    lines = ([cell.strip() for cell in line.strip("│").split("│")] for line in table.splitlines() if line.startswith("│"))
    return {cells[0]: cells for cells in lines}


# As users run it.


def test_program_decides_claims(config_file: Path, tmp_path: Path) -> None:
    done = program("verify", config_file, "--device", "cpu", "--json", "outcome.json", cwd=tmp_path)
    outcome = strict((tmp_path / "outcome.json").read_text())
    assert done.code == 1
    assert {line.split()[0] for line in done.err.splitlines()} == {"training", "testing"}, "progress and no warning"
    assert [claim["id"] for claim in outcome["claims"]] == CLAIMS
    assert not all(claim["holds"] for claim in outcome["claims"])
    assert {id_: cells[-1] for id_, cells in rows(done.out).items() if id_ in CLAIMS} == {
        claim["id"]: "holds" if claim["holds"] else "fails" for claim in outcome["claims"]
    }
    folder = next((tmp_path / "results" / "tiny").iterdir())
    assert done.out.splitlines()[-1] == f"results: {folder.relative_to(tmp_path)}"
    assert (folder / "manifest.json").exists()


def test_program_refuses_wrong_input(config_file: Path, tmp_path: Path) -> None:
    done = program("simulate", config_file, "--device", "nowhere", cwd=tmp_path)
    assert done.complaint == "error: unknown device 'nowhere': auto, cpu, cuda or cuda:i\n"
    assert list(tmp_path.iterdir()) == []


def test_no_arguments_print_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["theory-sim"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("theory_sim", run_name="__main__")
    out, err = capsys.readouterr()
    assert (stop.value.code, err) == (0, "")
    assert out.startswith("Usage: ")
    for command in ("verify", "simulate", "regime", "check-data", "sweep", "study"):
        assert re.search(rf"^ +{command} +\S", out, re.MULTILINE)


# Sweeps and studies.


def test_sweep_prints_a_row_per_cell(call: Call, config_file: Path, tmp_path: Path) -> None:
    sweep = ("sweep", config_file, "--set", "training.steps=3", "--device", "cpu", "--jobs", 1)
    done = call(*sweep, "--grid", "data.dim=16,32", "--grid", "training.step_size.fine=0.1,1e30")
    assert done.code == 1
    printed = rows(done.out)
    assert {id_: cells[2] for id_, cells in printed.items()} == {"16": "6", "32": "6"}
    assert re.fullmatch(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", printed["32"][3])
    assert re.fullmatch(r"\d/9", printed["32"][-1])
    failed = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert [line.split(": ")[1] for line in failed] == [f"data.dim={d} training.step_size.fine=1e+30" for d in (16, 32)]
    assert all("DivergedError: step " in line for line in failed)
    tables = Path(done.out.splitlines()[-1].removeprefix("tables: "))
    assert {path.name for path in (tmp_path / tables).iterdir()} == {"sweep.json", "rows", "cells.parquet", "replicas.parquet"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", "data.nois=1"], "cell data.nois=1: unknown key data.nois; did you mean data.noise?"),
        (["--grid", "data.noise=1,-1"], "cell data.noise=-1: data.noise: "),
        (["--grid", "data.noise"], "--grid data.noise: expected section.key=value,value,..."),
        (["--grid", "seed=1", "--grid", "seed=2"], "--grid: a key stands twice"),
        (["--grid", "seed=1", "--backend", "dask"], "--backend dask and --scheduler ADDRESS go together"),
        (["--grid", "seed=1", "--scheduler", "tcp://127.0.0.1:1"], "--backend dask and --scheduler ADDRESS go together"),
        (["--grid", "seed=1", "--device", "nowhere"], "unknown device 'nowhere'"),
        (["--grid", "seed=1", "--jobs", "0"], "Invalid value for '--jobs': "),
        ([], "Missing option '--grid'"),
    ],
)
def test_wrong_sweep(call: Call, config_file: Path, tmp_path: Path, options: list[str], message: str) -> None:
    assert message in call("sweep", config_file, *options).complaint
    assert list(tmp_path.iterdir()) == []


def test_study_lists_and_answers(call: Call, tmp_path: Path) -> None:
    listed = call("study", "--list")
    assert (listed.code, listed.err) == (0, "")
    assert {"alignment", "granularity", "hierarchy"} <= set(rows(listed.out))
    assert re.match("error: no study 'x'; there are alignment, ", call("study", "x").complaint)
    (tmp_path / "mine.yaml").write_text(
        """
question: Does noise harm?
minutes: 1
config: {replicas: 2, tree: {subclasses: 2}, data: {dim: 16}, network: {neurons: 2}, training: {batch: 4, steps: 2}}
smoke: {test: {samples: 10, curve_samples: 5}}
grids: [{hard.noise: [0, 4]}]
comparisons:
  - {name: no noise, before: {model: coarse, where: {hard.noise: 4}}, after: {model: fine, where: {hard.noise: 0}}}
"""
    )
    done = call("study", "mine.yaml", "--smoke", "--device", "cpu", "--jobs", 1)
    assert done.code == 0
    verdict = strict(next(tmp_path.glob("results/mine-sweep/*/verdict.json")).read_text())
    assert rows(done.out)["no noise"][-1] == verdict["answer"]
    assert done.out.splitlines()[-1].startswith(f"mine: {verdict['answer']} (1 comparison, 2 replicas: ")


# Wrong values.

WRONG_VALUES = [
    ("data.nois=1", ["unknown key data.nois", "did you mean data.noise?"]),
    ("training.step_size.coars=1", ["unknown key training.step_size.coars", "did you mean training.step_size.coarse?"]),
    ("dta.noise=1", ["unknown key dta", "did you mean data?"]),
    ("data=3", ["data: should be ", "got 3"]),
    ("data.dim=abc", ["data.dim: ", "valid integer", "got 'abc'"]),
    ("data.dim=64.0", ["data.dim: ", "valid integer", "got 64.0"]),
    ("training.steps=true", ["training.steps: ", "valid integer", "got True"]),
    ("data.noise=-1", ["data.noise: ", "greater than or equal to 0", "got -1"]),
    ("replicas=0", ["replicas: ", "greater than or equal to 1", "got 0"]),
    ("data.noise=.nan", ["data.noise: ", "finite number", "got nan"]),
    ("data.noise=.inf", ["data.noise: ", "finite number", "got inf"]),
    ("data.noise=1e999", ["data.noise: ", "finite number", "got inf"]),
    ("data.feature_patches=7", ["data.patches: 12 patches cannot hold the 14 feature patches"]),
    ("data.dim=7", ["data.dim: 8 features", "got 7"]),
    ("labels.fine=lefa", ["labels.fine: unknown label function 'lefa'", "known: level(depth), leaf,"]),
    ("labels.coarse=level(3)", ["labels.coarse: level(3)", "levels 1 to 2"]),
    ("tree.subclasses=[3]", ["tree.subclasses: 1 entries for tree.coarse = 2 classes"]),
    ("tree.subclasses=[3, 3, 3]", ["tree.subclasses: 3 entries for tree.coarse = 2 classes"]),
    ("data.feature_noise=[0.4, 0.2]", ["data.feature_noise: the lower end 0.4 lies above the upper end 0.2"]),
    ("name=../elsewhere", ["name: ", "got '../elsewhere'"]),
    ("data.noise", ["--set data.noise: expected section.key=value"]),
    ("=1", ["--set =1: expected section.key=value"]),
    ("name.first=x", ["--set name.first=x: name is a value, not a section"]),
    ("data.dim.x=1", ["--set data.dim.x=1: dim is a value, not a section"]),
    ("data.dim=[", ["--set data.dim=[, line 1: not a plain YAML file"]),
]


@pytest.mark.parametrize(("text", "parts"), WRONG_VALUES, ids=[text for text, _ in WRONG_VALUES])
def test_wrong_value(call: Call, config_file: Path, tmp_path: Path, text: str, parts: list[str]) -> None:
    message = call("simulate", config_file, "--set", text).complaint
    for part in parts:
        assert part in message
    assert list(tmp_path.iterdir()) == []


# Wrong configuration files.

WRONG_FILES = [
    ("data: {noise: [0.5\n", [", line 2: not a plain YAML file: expected ',' or ']'"]),
    ("data:\n  dim: 32\n  noise: 0.5\n  dim: 64\n", [", line 4: ", "key 'dim' stands twice"]),
    ("- name: x\n- seed: 1\n", [": a configuration is a mapping of sections, not a list"]),
    ("just text", [": a configuration is a mapping of sections, not a str"]),
    ("data: 2001-99-01\n", [": not a plain YAML file: month must be in 1..12"]),
    ("seed: !!int abc\n", [": not a plain YAML file: ", "abc"]),
    ("? [data]\n: 1\n", [": not a plain YAML file: ", "unhashable"]),
    ("data: " + "[" * 1000, [": not a plain YAML file: maximum recursion depth exceeded"]),
    ("data: \0\n", [": not a plain YAML file: "]),
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
        assert "not a plain YAML file: could not determine a constructor" in call("simulate", *arguments).complaint
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
        (["simulate"], "Missing argument 'CONFIG'"),
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
    assert f"{finished} holds the results of one configuration; --out takes the folder above its name and hash" in message


# Results that are not as they were written.


@pytest.fixture
def again(call: Call, config_file: Path) -> Callable[[], Outcome]:
    """Run the finished configuration again."""
    return lambda: call("simulate", config_file, "--out", "results", "--device", "cpu")


@pytest.mark.parametrize("done", [True, False], ids=["finished", "unfinished"])
def test_results_of_another_configuration(again: Callable[[], Outcome], finished: Path, done: bool) -> None:
    stored = finished / "config.yaml"
    stored.write_text(stored.read_text().replace("seed: 2\n", "seed: 3\n"))
    if not done:
        (finished / "manifest.json").unlink()
    assert "holds the results of another configuration" in again().complaint


def test_other_bounds_in_finished_folder(again: Callable[[], Outcome], finished: Path) -> None:
    stored = finished / "config.yaml"
    stored.write_text(stored.read_text().replace("easy_error: 0.01\n", "easy_error: 0.5\n"))
    assert "config.yaml is not as it was written" in again().complaint


@pytest.mark.parametrize("name", ["coarse.nc", "fine.nc", "checkpoint.safetensors", "log.jsonl", "environment.json"])
def test_damaged_file_in_finished_folder(again: Callable[[], Outcome], finished: Path, name: str) -> None:
    content = bytearray((finished / name).read_bytes())
    content[len(content) // 2] ^= 1
    (finished / name).write_bytes(content)
    assert f"{name} is not as it was written; delete the folder to run again" in again().complaint


def test_absent_file_in_finished_folder(again: Callable[[], Outcome], finished: Path) -> None:
    (finished / "fine.nc").unlink()
    assert "holds no finished run: fine.nc is missing" in again().complaint


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", '{"files": []}', '{"files": {"coarse.nc'])
def test_damaged_manifest(again: Callable[[], Outcome], finished: Path, content: str) -> None:
    (finished / "manifest.json").write_text(content)
    assert "manifest.json is damaged; delete the folder to run again" in again().complaint


def test_truncated_checkpoint(again: Callable[[], Outcome], finished: Path) -> None:
    (finished / "manifest.json").unlink()
    checkpoint = finished / "checkpoint.safetensors"
    whole = checkpoint.read_bytes()
    for length in (0, 7, 1000, len(whole) // 2, len(whole) - 1):
        checkpoint.write_bytes(whole[:length])
        message = again().complaint
        assert "damaged checkpoint" in message
        assert message.endswith("delete it to start again\n")


def test_flipped_byte_in_checkpoint(again: Callable[[], Outcome], finished: Path) -> None:
    (finished / "manifest.json").unlink()
    checkpoint = finished / "checkpoint.safetensors"
    content = bytearray(checkpoint.read_bytes())
    content[-100] ^= 1
    checkpoint.write_bytes(content)
    assert "its content is not what was written; delete it to start again" in again().complaint


# Training that goes wrong.


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.step_size.fine=1e30", "step 1: the weight update of the fine model is inf in replica 0; a smaller"),
        ("training.step_size.coarse=1e30", "step 1: the weight update of the coarse model is inf in replica 0; a smaller"),
    ],
)
def test_nan_and_infinity_stop_training(call: Call, config_file: Path, tmp_path: Path, setting: str, message: str) -> None:
    assert call("simulate", config_file, "--device=cpu", "--set", setting).complaint.startswith(f"error: {message}")
    assert not list(tmp_path.rglob("manifest.json"))


def test_interrupt_from_the_keyboard(call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", interrupted)
    done = call("simulate", config_file)
    assert (done.code, done.out) == (130, "")
    assert done.err == "interrupted; the same command goes on from the last checkpoint\n"


# What the commands print and write.


def test_verify_writes_its_outcome(call: Call, config_file: Path, finished: Path, tmp_path: Path) -> None:
    bounds = LAX | {"easy_error": 1e-6}
    arguments = ["verify", config_file, "--out=results", "--device=cpu", "--json=outcome.json", *overrides("claims", bounds)]
    done = call(*arguments)
    outcome = strict((tmp_path / "outcome.json").read_text())
    assert set(outcome) == {"config", "claims", "regime", "alignment", "certificate", "environment"}
    config = load_config(config_file, [f"claims.{key}={value}" for key, value in bounds.items()])
    assert Config.model_validate(outcome["config"]) == config
    assert outcome["environment"] == json.loads((finished / "environment.json").read_text())
    assert [line["assumption"] for line in outcome["regime"]] == [line.assumption for line in regime.check(config)]
    assert [claim["id"] for claim in outcome["claims"]] == CLAIMS
    keys = {"id", "statement", "estimate", "ci", "method", "side", "bound", "holds"}
    for claim in outcome["claims"]:
        assert set(claim) == keys | ({"p", "max_p"} if claim["id"] == "transfer-gain" else set())
        low, high = claim["ci"]
        assert low <= claim["estimate"] <= high
        right = {"≤": high <= claim["bound"], "≥": low >= claim["bound"], ">": low > claim["bound"]}[claim["side"]]
        assert claim["holds"] == (right and claim.get("p", 0) < claim.get("max_p", 1))
    assert [claim["id"] for claim in outcome["claims"] if not claim["holds"]] == ["coarse-easy-error", "fine-easy-error"]
    assert done.code == 1
    printed = rows(done.out)
    assert [printed[id_][-1] for id_ in CLAIMS] == [("holds", "fails")[id_.endswith("easy-error")] for id_ in CLAIMS]
    outside = [line["assumption"] for line in outcome["regime"] if not line["inside"]]
    assert re.findall(r"^outside the theory's regime: (.+?) = ", done.out, re.MULTILINE) == outside
    assert len(list(tmp_path.glob("results/*/*"))) == 1, "bounds change no number: nothing is run again"


def test_verify_exits_with_0_when_all_claims_hold(call: Call, config_file: Path, finished: Path) -> None:
    done = call("verify", config_file, "--out=results", "--device=cpu", *overrides("claims", LAX))
    printed = rows(done.out)
    assert [printed[id_][-1] for id_ in CLAIMS] == ["holds"] * 9
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == f"results: {finished.relative_to(Path.cwd())}"


def test_verify_without_training(call: Call, config_file: Path, tmp_path: Path) -> None:
    done = call("verify", config_file, "--json=outcome.json", "--set=training.steps=0")
    claims = {claim["id"]: claim for claim in strict((tmp_path / "outcome.json").read_text())["claims"]}
    assert done.code == 1
    assert list(claims) == CLAIMS
    for id_ in ("coarse-rare-growth", "fine-rare-growth"):
        assert (claims[id_]["estimate"], claims[id_]["ci"], claims[id_]["holds"]) == (None, [None, None], False)
        assert rows(done.out)[id_][1] == "undefined"
    assert claims["coarse-training-loss"]["estimate"] == pytest.approx(0.693, abs=0.05)


def test_verify_takes_the_default_configuration(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Config] = []

    def caught(config: Config, *_: object) -> None:
        asked.append(config)
        raise InputError("enough")

    monkeypatch.setattr(experiment, "run", caught)
    for arguments in ([], [ROOT / "configs" / "default.yaml"]):
        assert call("verify", *arguments).complaint == "error: enough\n"
    assert asked == [load_config(), load_config()]
    assert load_config(ROOT / "configs" / "default.yaml") == load_config()


def test_options_reach_the_configuration(call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Config] = []

    def caught(config: Config, *_: object) -> None:
        asked.append(config)
        raise InputError("enough")

    monkeypatch.setattr(experiment, "run", caught)
    call("simulate", config_file, "--seed=7", "--replicas=3", "--set", "data.noise=1e-3", "--set", "data.basis=rotated")
    expected = load_config(config_file).model_dump()
    expected |= {"seed": 7, "replicas": 3, "data": expected["data"] | {"noise": 0.001, "basis": "rotated"}}
    assert asked == [Config.model_validate(expected)]


def test_simulate_prints_its_results(again: Callable[[], Outcome], finished: Path) -> None:
    done = again()
    results = experiment.load_results(finished)
    assert (done.code, done.err) == (0, "")
    for data in (results.coarse, results.fine):
        easy, hard = (float(data.test_error.sel(kind=kind).mean()) for kind in ("easy", "hard"))
        loss = float(data.final_loss.mean())
        assert rows(done.out)[data.attrs["model"]][1:] == [f"{loss:.4f}", "sum_logits", f"{easy:.4f}", f"{hard:.4f}"]


def test_regime_tells_inside_from_outside(call: Call, config_file: Path, tmp_path: Path) -> None:
    done = call("regime", config_file, "--json=regime.json")
    lines = regime.check(load_config(config_file))
    printed = rows(done.out)
    assert (done.code, done.err) == (0, "")
    assert {line.inside for line in lines} == {True, False}
    assert {name: cells[-1] for name, cells in printed.items()} == {
        line.assumption: "inside" if line.inside else "outside" for line in lines
    }
    written = strict((tmp_path / "regime.json").read_text())
    assert [(line["assumption"], line["inside"]) for line in written] == [(line.assumption, line.inside) for line in lines]


def test_check_data_passes(call: Call, config_file: Path, tmp_path: Path) -> None:
    done = call("check-data", config_file, "--samples=100", "--json=checks.json")
    checks = strict((tmp_path / "checks.json").read_text())
    assert (done.code, done.err) == (0, "")
    assert len(checks) > 20
    assert all(check["passed"] for check in checks)
    assert {name: cells[-1] for name, cells in rows(done.out).items()} == {check["name"]: "passed" for check in checks}
    assert done.out.splitlines()[-1] == f"{len(checks)} invariants, 0 broken; 100 samples per replica and batch"


def test_check_data_finds_broken_invariants(call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [invariants.Check("good", "0 wrong", True), invariants.Check("bad", "far off", False, 1e-9)]
    monkeypatch.setattr(invariants, "check_data", lambda *_, **__: checks)
    done = call("check-data", config_file)
    assert done.code == 1
    assert rows(done.out) == {"good": ["good", "0 wrong", "exact", "passed"], "bad": ["bad", "far off", "1e-09", "broken"]}
    assert "2 invariants, 1 broken" in done.out


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_load(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    assert Config.model_validate(config.model_dump(mode="json")) == config
