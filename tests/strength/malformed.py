"""Malformed configurations and command lines, drawn by Hypothesis: each is answered by one line and exit 2; nothing is written.

    python tests/strength/malformed.py [--examples 1000] [--seed 0]

The command prints how many of each kind were tried, and the first that is answered otherwise. The test suite tries fewer
(``tests/cli/test_malformed.py``).
"""

import argparse
import io
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from theory_sim import cli
from theory_sim.config import Config

ROOT = Path(__file__).parent.parent.parent
WRONG = [
    *(".nan", "[[[1]]]", "{a: 1}", "010", "1_000", "0x1F", "1:30", "yes", "off", "2001-01-01", "<<", "*a", "&a 1", "!!set {a}"),
    *("!!python/object/apply:os.system [ls]", "[", "{", '"', "'a' b", "[1 #]", "!x", "%", "@", "`", "[010]", "-.inf", "1e999"),
    *("9" * 5000, "[" * 300, "[" * 90 + "]" * 90, "{a: " * 90, "{" + "a" * 50_000 + ": 1}", '"\\0"', "? ", "[a, b: [c]]"),
]
"""Values that are wrong at every place: of no type that a setting has, or no plain YAML."""


def _keys(section: Any = Config, above: str = "") -> list[str]:
    found = []
    for key, field in section.model_fields.items():
        found.append(above + key)
        if hasattr(field.annotation, "model_fields"):
            found += _keys(field.annotation, f"{above}{key}.")
    return found


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
argument_bytes = st.binary(min_size=1, max_size=20).filter(lambda text: b"\0" not in text).map(os.fsdecode)
texts = words | argument_bytes
unknown = texts.map(lambda text: f"x{text}".partition("=")[0])
keys = st.sampled_from(_keys())
commands = st.sampled_from(["simulate", "verify", "regime", "check-data", "sweep"])
wrong = st.sampled_from(WRONG)
numeric = [key for key in _keys() if "." in key and key.partition(".")[0] in ("tree", "data", "test", "record", "seeds")]

Case = tuple[str, list[str], dict[str, bytes]]
"""Its kind, the arguments, and the files beside it."""


def with_config(kind: str, command: str, *more: str, text: str | bytes = "{}") -> Case:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    grid = ["--grid", "seed=1"] if command == "sweep" else []
    return kind, [command, "c.yaml", *grid, *more], {"c.yaml": content}


values = st.builds(lambda c, key, value: with_config("value", c, "--set", f"{key}={value}"), commands, keys, wrong)
words_for_numbers = st.builds(
    lambda c, key, value: with_config("text for a number", c, "--set", f"{key}=x{value}"),
    commands,
    st.sampled_from(numeric),
    texts,
)
unknown_keys = st.builds(
    lambda c, above, key: with_config("unknown key", c, "--set", f"{above}.{key}=1" if above else f"{key}=1"),
    commands,
    st.sampled_from(["", "data", "training", "network", "labels", "training.step_size", "law", "data.dim"]),
    unknown,
)
no_assignment = st.builds(lambda c, text: with_config("no assignment", c, "--set", text.replace("=", "")), commands, texts)
grids = st.builds(
    lambda text, value: with_config("grid", "sweep", "--grid", text.format(value)),
    st.sampled_from(["data.dim={}", "data.dim=64,{}", "data.dimm=1,2{}", "={}", "claims.easy_error=0.1{}", "data.dim=,{}"]),
    st.sampled_from(["010", "[", "a", '"', "1:30", "yes", "{a: 1}", "0.5"]),
)
not_yaml = st.builds(lambda c, text: with_config("bytes", c, text=b"\xff" + text), commands, st.binary(max_size=200))
not_mapping = st.builds(
    lambda c, value: with_config("no mapping", c, text=yaml.safe_dump(value)),
    commands,
    st.lists(st.integers() | st.text(max_size=5), min_size=1) | st.integers(1) | st.booleans(),
)
wrong_trees = st.builds(
    lambda c, tree: with_config("tree", c, text=yaml.safe_dump(tree)),
    commands,
    st.dictionaries(
        st.text(max_size=8).map(lambda key: f"x{key}") | st.integers() | st.none() | st.booleans(),
        st.recursive(
            st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(words, inner)
        ),
        min_size=1,
        max_size=4,
    ),
)
in_files = st.builds(
    lambda c, key, value: with_config("value in a file", c, text=f"{key.replace('.', ': {')}: {value}{'}' * key.count('.')}\n"),
    commands,
    keys,
    wrong.filter(lambda value: value != "[1 #]"),
)


@st.composite
def damaged_files(draw: Callable[..., Any]) -> Case:
    """A shipped configuration, cut, with a character changed, and always with a last line that is wrong."""
    text = (ROOT / "configs" / "small.yaml").read_text(encoding="utf-8")
    start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 30))
    put = draw(st.text(st.sampled_from("[]{}:,#&*!|>%@`'\"\t\n -0a"), max_size=4))
    return with_config("damaged file", draw(commands), text=text[:start] + put + text[start + length :] + "\nnonsense: 1\n")


options = st.builds(
    lambda c, more: with_config("option", c, *more),
    commands.filter(lambda command: command != "check-data"),
    st.sampled_from(
        [
            *(["--seed", value] for value in ("010", "1_000", "1.5", "one", "", "0x1", "-1", "9" * 30, "９", "[1]", "yes")),
            *(
                ["--set"],
                ["--nonsense"],
                ["--set", "seed=1", "-x"],
                ["another.yaml"],
                ["--plugin", "absent.py"],
                ["--plugin", "a b"],
            ),
            *(["--plugin", "absent.module"], ["--set", "theory=nope"], ["--set", "plugins=[absent.py]"]),
        ]
    ),
)
more_options = st.builds(
    lambda text, line: ("command line", [word.format(text) for word in line], {}),
    texts.map(lambda text: "x" + text.replace("{", "").replace("}", "")),
    st.sampled_from(
        [
            *(
                ["{}"],
                ["verify", "--{}"],
                ["verify", "{}"],
                ["simulate", "{}.yaml"],
                ["list", "{}"],
                ["study", "{}"],
                ["simulate"],
            ),
            *(["bench", "{}"], ["verify", "--device", "{}"], ["verify", "--json", "absent/{}"], ["figures", "{}"]),
            *(["sweep", "/dev/null"], ["sweep", "/dev/null", "--grid", "{}"], ["check-data", "/dev/null", "--samples", "{}"]),
            *(
                ["verify", "--replicas", "{}"],
                ["study", "{}.yaml"],
                ["figures", "--config", "{}"],
                ["verify", "--plugin", "{}.py"],
            ),
            *(
                ["sweep", "/dev/null", "--grid", "seed=1", "--jobs", "{}"],
                ["sweep", "/dev/null", "--grid", "seed=1", "--backend", "{}"],
            ),
        ]
    ),
)
STUDY = {"question": "?", "minutes": 1, "config": {}, "smoke": {}, "grids": [{"seed": [1]}], "one_at_a_time": True}
WRONG_IN_STUDIES = [[[1]], {"x": {"y": 1}}, -1, "", [{}, 3], [{"data.dimm": [1]}], [{"data.dim": ["a"]}], [{"x": []}]]
study_files = st.builds(
    lambda key, value: ("study file", ["study", "s.yaml"], {"s.yaml": yaml.safe_dump(STUDY | {key: value}).encode()}),
    st.sampled_from(["minutes", "config", "grids", "one_at_a_time", "comparisons", "x"]),
    st.sampled_from(WRONG_IN_STUDIES),
)
image_studies = st.builds(
    lambda key, value: ("image study", ["pretrain", "c.yaml", "--set", f"{key}={value}"], {"c.yaml": b"{}"}),
    st.sampled_from(
        ["data.source", "data", "labels.functions", "model.image_size", "pretraining.batch", "seeds", "x", "workers"]
    ),
    wrong,
)
cases = st.one_of(
    *(values, words_for_numbers, unknown_keys, no_assignment, grids, not_yaml, not_mapping, wrong_trees, in_files),
    *(damaged_files(), options, more_options, study_files),
)


def answer(arguments: list[str]) -> tuple[Any, str, str]:
    """Exit code, standard output and standard error of the program, called in this process."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["theory-sim", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            cli.main()
    except SystemExit as stop:
        return stop.code, out.getvalue(), err.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("the program did not end")


def check(case: Case) -> None:
    """Assert that a case is refused as it should be."""
    _, arguments, files = case
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for name, content in files.items():
            Path(name).write_bytes(content)
        code, out, err = answer(arguments)
        assert (code, out) == (2, ""), (code, out, err)
        assert re.fullmatch(r"error: [^\n]+\n", err), err
        assert len(err) < 2000, err
        assert sorted(path.name for path in Path().rglob("*")) == sorted(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given_ = parser.parse_args()
    tried: Counter[str] = Counter()
    started = time.monotonic()

    @seed(given_.seed)
    @settings(
        max_examples=given_.examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=True,
    )
    @given(cases | image_studies)
    def refused(case: Case) -> None:
        tried[case[0]] += 1
        check(case)

    refused()
    for kind, number in tried.most_common():
        print(f"{number:6} {kind}")
    print(f"{tried.total():6} in all, each refused by one line: {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
