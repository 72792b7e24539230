"""Mutation testing: change the package in one place, run the tests that belong to it, and see whether one of them fails.

``python tests/strength/mutants.py`` (or ``make mutants``) draws a sample of mutants, at least some of each module, tests each
in a process of its own, and prints the share that was caught and the survivors; `mutants.md` beside it holds the last figures.
The changes are those of Cosmic Ray's operators. Cosmic Ray's own runner has one test command for all modules and starts the
interpreter for each mutant, which takes longer than most tests here; mutmut changes no decorated function (so nothing that
Numba compiles) and no constant of a module. Hence the small runner below.

Nothing that an earlier mutant left may hide a later one: mutants are made in a copy of the tree, no byte code is written, and
each has its own copy of Numba's cache, which is filled from the unchanged tree; Numba compiles a file again when the time or
size of it has changed, and no compiled function here calls one of another file.
"""

import argparse
import ast
import contextlib
import hashlib
import importlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from tests_of import FIRST, REST  # which tests belong to which module

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("theory_sim", "figures", "configs", "docs", "tests", "pyproject.toml", "README.md", "Makefile", "constraints.txt")
MEMORY = 8 * 2**30
"""Bytes that a test process may hold: a mutant may ask for more than there is."""

_ARITHMETIC, _BITS = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}, {"BitAnd", "BitOr", "BitXor", "LShift", "RShift"}
_COMPILES = ("_compiled", "_inlined", "njit", "no_type_check")
"""Decorators that change how long the code takes, not what it gives."""


@dataclass(frozen=True)
class Mutant:
    """One change of one place.

    Attributes:
        module: path below the root.
        line: where the change is.
        operator: name of Cosmic Ray's operator.
        occurrence: which of the places in the module that the operator can change, and how.
    """

    module: str
    line: int
    operator: str
    occurrence: int

    @cached_property
    def source(self) -> str:
        """The changed module."""
        return str(mutate_code((ROOT / self.module).read_text(encoding="utf-8"), get_operator(self.operator)(), self.occurrence))

    @cached_property
    def change(self) -> tuple[str, str]:
        """The line before and after."""
        before = (ROOT / self.module).read_text(encoding="utf-8").splitlines()
        after = self.source.splitlines()
        changed = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(after) - 1)
        return before[changed].strip(), after[changed].strip()


def operators() -> list[str]:
    """Those of Cosmic Ray's operators whose mutants say something.

    Arithmetic is exchanged for arithmetic and bits for bits, since other exchanges raise a TypeError at once; and ``==`` is not
    exchanged for ``is``, which is the same for small numbers, nor ``is None`` for ``== None``.
    """

    def tells(name: str) -> bool:
        kind, _, pair = name.removeprefix("core/").partition("_")
        before, _, after = pair.partition("_")
        if kind == "ReplaceBinaryOperator":
            return {before, after} <= _ARITHMETIC or {before, after} <= _BITS
        if kind == "ReplaceComparisonOperator":
            return (before in ("Is", "IsNot")) == (after in ("Is", "IsNot"))
        return kind not in ("VariableReplacer", "VariableInserter")

    return sorted(filter(tells, operator_names()))


class _Places(Visitor):  # type: ignore[misc]
    """Collects, for each place of a module, what the operators can make of it."""

    def __init__(self, module: str, source: str) -> None:
        self.module = module
        self.found: dict[tuple[int, int], list[Mutant]] = {}
        self._operators = {name: get_operator(name)() for name in operators()}
        self._counts = dict.fromkeys(self._operators, 0)
        self._ignored = list(_ignored(source))
        self.walk(get_ast(source))

    def visit(self, node: Any) -> Any:
        for name, operator in self._operators.items():
            for start, _ in operator.mutation_positions(node):
                mutant = Mutant(self.module, start[0], name, self._counts[name])
                self._counts[name] += 1
                if not any(first <= start < last for first, last in self._ignored):
                    self.found.setdefault(start, []).append(mutant)
        return node


def _ignored(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Places of types, which are mypy's to check, and options of the compiler: from and to."""
    for node in ast.walk(ast.parse(source)):
        for made in getattr(node, "decorator_list", []):
            if ast.unparse(made).startswith(_COMPILES):
                yield (made.lineno, made.col_offset - 1), (made.end_lineno, made.end_col_offset)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "njit":
            yield (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if isinstance(part, ast.expr) and not (isinstance(part, ast.Subscript) and ast.unparse(part.value) == "Annotated"):
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


def sample(each: int, seed: int) -> list[Mutant]:
    """As many mutants of each module, of distinct places, first one of every module, then a second one, and so on.

    The same for the same source, number and seed; a larger sample begins with the smaller ones. Each place is as likely as any
    other of its module, and each change of it.
    """
    drawn = []
    for module in FIRST:
        found = _Places(module, (ROOT / module).read_text(encoding="utf-8")).found
        places = [found[key] for key in sorted(found)]
        generator = random.Random(f"{seed} {module}")
        order = [generator.choice(choice) for choice in generator.sample(places, len(places))]
        drawn += list(enumerate(order[:each]))
    return [mutant for _, mutant in sorted(drawn, key=lambda ranked: ranked[0])]


class Trial:
    """A copy of the tree in which modules are changed and tested.

    Args:
        folder: where the copy and the caches are made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree = folder, folder / "tree"
        shutil.rmtree(self.tree, ignore_errors=True)
        self.tree.mkdir(parents=True)
        (folder / "numba").mkdir(exist_ok=True)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(source, self.tree / name, symlinks=True, ignore=ignored)
            else:
                shutil.copy2(source, self.tree / name)
        state = hashlib.sha256()
        for path in sorted(path for path in self.tree.rglob("*") if path.suffix in (".py", ".toml", ".yaml")):
            state.update(path.read_bytes())
        self._digest = state.hexdigest()[:16]

    def unchanged(self, tests: list[str]) -> float:
        """Seconds of tests of the tree as it is, which must pass; fills the caches. Kept while nothing has changed."""
        key = " ".join([self._digest, *tests])
        kept = self.folder / "unchanged.json"
        seconds: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
        if key not in seconds:
            status, seconds[key] = self._run(tests, self.folder / "numba", limit=3600, writes=True)
            if status:
                sys.exit(f"{' '.join(tests)} fail without any change:\n{(self.folder / 'log').read_text()}")
            kept.write_text(json.dumps(seconds, indent=1))
        return seconds[key]

    def changed(self, mutant: Mutant, tests: list[str], limit: float) -> dict[str, Any]:
        """What came of the tests of a mutant: whether one failed, which, and the seconds; out of time counts as caught."""
        file = self.tree / mutant.module
        original, times = file.read_bytes(), file.stat()
        cache = self.folder / "numba of mutant"
        shutil.copytree(self.folder / "numba", cache, dirs_exist_ok=True)
        try:
            file.write_text(mutant.source, encoding="utf-8")
            status, seconds = self._run(tests, cache, limit, writes=False)
        finally:
            file.write_bytes(original)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
            shutil.rmtree(cache, ignore_errors=True)
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", (self.folder / "log").read_text(errors="replace"), re.MULTILINE)
        before, after = mutant.change
        by = failed[1] if failed else "time" if seconds > limit else ""
        return {**asdict(mutant), "before": before, "after": after, "caught": status != 0, "by": by, "seconds": round(seconds, 1)}

    def _run(self, tests: list[str], numba_cache: Path, limit: float, writes: bool) -> tuple[int, float]:
        begin = time.monotonic()
        child = os.fork()  # all libraries are imported already: a new interpreter would take longer than most tests
        if child == 0:
            self._test(tests, numba_cache, writes)
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            seconds = time.monotonic() - begin
            if done or seconds > limit:
                break
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # and what a test has started and left
        if not done:
            _, status = os.waitpid(child, 0)
        shutil.rmtree(self.folder / "pytest", ignore_errors=True)
        return os.waitstatus_to_exitcode(status), seconds

    def _test(self, tests: list[str], numba_cache: Path, writes: bool) -> None:
        """In the child: run tests and end."""
        status = 70
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            os.chdir(self.tree)
            # Programs that tests start import the copy, not the installed package.
            os.environ |= {"PYTHONPATH": str(self.tree), "NUMBA_CACHE_DIR": str(numba_cache)}
            if not writes:
                os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
                sys.dont_write_bytecode = True
            import numba
            import pytest

            numba.config.CACHE_DIR = str(numba_cache)
            temporary = f"--basetemp={self.folder / 'pytest'}"
            options = ["-x", "-p", "no:cacheprovider", "-n", "0", "--tb=line", "-rfE", temporary]
            options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of a library that is a plugin too, imported above
            status = pytest.main([*options, *tests], plugins=[_Quick(self.tree)])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(int(status))


class _Quick:
    """Plugin of pytest: a failing example is not made simpler, and what is tested is the copy."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def pytest_collection(self) -> None:
        """After the first conftest is read, before the tests are."""
        from hypothesis import Phase, settings

        settings.register_profile("mutants", settings.get_profile("theory_sim"), phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutants")

    def pytest_sessionfinish(self) -> None:
        """The package is imported by now."""
        assert str(sys.modules["theory_sim"].__file__).startswith(str(self.tree))


_LIBRARIES = (
    *("jaxtyping", "matplotlib.pyplot", "netCDF4", "numba", "pandas", "PIL.Image", "pydantic", "pytest", "rich.console"),
    *("safetensors.torch", "scipy.stats", "sklearn.linear_model", "torch", "transformers", "typer", "xarray"),
)
"""What tests import, the package and its tests apart."""


def _table(results: list[dict[str, Any]]) -> str:
    """Share caught of each module, and the survivors, as Markdown."""
    lines = ["| module | mutants | caught |", "|---|---|---|"]
    for module in FIRST:
        own = [r for r in results if r["module"] == module]
        if own:
            lines.append(f"| {module} | {len(own)} | {sum(r['caught'] for r in own)} |")
    caught = sum(r["caught"] for r in results)
    lines.append(f"| **all** | {len(results)} | {caught} ({100 * caught / max(1, len(results)):.1f} %) |")
    lines += ["", *(f"- `{r['module']}:{r['line']}`: `{r['before']}` → `{r['after']}`" for r in results if not r["caught"])]
    return "\n".join(lines)


def main() -> None:
    """Draw mutants, test them, print what was caught; a finished part is kept in the record and not tested again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=4, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", default="", help="regular expression: only modules that it matches")
    parser.add_argument("--record", type=Path, default=ROOT / "results" / "mutants.jsonl", help="outcomes, kept between calls")
    parser.add_argument("--again", action="store_true", help="test the survivors in the record once more")
    parser.add_argument("--list", action="store_true", help="print the sample and test nothing")
    args = parser.parse_args()
    mutants = [m for m in sample(args.each, args.seed) if re.search(args.only, m.module)]
    if args.list:
        for mutant in mutants:
            print(f"{mutant.module}:{mutant.line} {mutant.operator}: {' → '.join(mutant.change)}")
        return
    args.record.parent.mkdir(parents=True, exist_ok=True)
    known = {}
    if args.record.exists():
        for result in map(json.loads, args.record.read_text(encoding="utf-8").splitlines()):
            known[_key(result)] = result
    if args.again:
        known = {key: result for key, result in known.items() if result["caught"]}
    for name in _LIBRARIES:
        importlib.import_module(name)
    trial = Trial(args.record.with_suffix(""))
    for tests_of, last in ((FIRST, False), (REST, True)):
        for mutant in mutants:
            before = known.get(_result_key(mutant))
            if before is not None and (before["caught"] or before["last"] or not last):
                continue
            tests = tests_of[mutant.module]
            result = trial.changed(mutant, tests, limit=30 + 4 * trial.unchanged(tests)) | {"last": last}
            known[_result_key(mutant)] = result
            with args.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result, ensure_ascii=False) + "\n")
            said = "caught" if result["caught"] else "SURVIVED" if last else "survived so far"
            print(f"{said} ({result['seconds']:.0f} s): {mutant.module}:{mutant.line} {' → '.join(mutant.change)}", flush=True)
    print(_table([known[_result_key(m)] for m in mutants]))


def _key(result: dict[str, Any]) -> tuple[object, ...]:
    return tuple(result[name] for name in ("module", "operator", "occurrence", "before", "after"))


def _result_key(mutant: Mutant) -> tuple[object, ...]:
    return mutant.module, mutant.operator, mutant.occurrence, *mutant.change


if __name__ == "__main__":
    main()
