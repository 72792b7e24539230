"""Settings as YAML files say them: checked sections, overrides by ``section.key=value``, and errors of one line."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from theory_sim.runtime.errors import InputError, expect

# The upper bounds: products of two stay within single precision, and no memory holds such counts.
Positive = Annotated[float, Field(gt=0, le=1e18)]
NonNegative = Annotated[float, Field(ge=0, le=1e18)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
CountOrZero = Annotated[int, Field(ge=0, le=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _ordered(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower end {bounds[0]} lies above the upper end {bounds[1]}")
    return bounds


Range = Annotated[list[NonNegative], Field(min_length=2, max_length=2), AfterValidator(_ordered)]


Settings = TypeVar("Settings", bound="Section")


class Section(BaseModel):
    """Unknown keys, wrong types, NaN and infinity are refused; values cannot be changed once checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True)

    def replace(self: "Settings", values: Mapping[str, Any]) -> "Settings":
        """The same with some values replaced: ``config.replace({"data.dim": 64, "replicas": 3})``.

        Raises:
            InputError: as `load_settings`.
        """
        expect("replace", values, Mapping)
        tree = self.model_dump()
        for key, value in values.items():
            _place(tree, key, value, key)
        return checked(type(self), tree)


def load_settings(
    model: type[Settings],
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    prepare: Callable[[dict[str, Any]], None] = lambda tree: None,
    **values: Any,
) -> Settings:
    """Read and check settings.

    Args:
        model: what they are checked against.
        path: a YAML file; without it the defaults are taken.
        overrides: ``section.key=value`` texts, as ``--set`` takes them; the values are YAML.
        prepare: changes the nested values before they are checked.
        values: top-level keys, such as ``replicas=2``; None leaves the key alone.

    Raises:
        InputError: the file is absent or no plain YAML mapping; a key is unknown; a value is of the wrong type or
            out of range; or the parts do not fit together. The message names the key and what would be right.
    """
    if path is not None:
        expect("path of a configuration", path, str, Path)
    expect("overrides", overrides, list, tuple)
    tree = {} if path is None else read_yaml(Path(path))
    for text in overrides:
        expect("overrides", text, str)
        _override(tree, text)
    tree.update({key: value for key, value in values.items() if value is not None})
    prepare(tree)
    return checked(model, tree, "" if path is None else f"{path}: ")


def differences(settings: Section, other: Section) -> dict[str, Any]:
    """The values of `settings` that `other` has not, by their keys: ``{"data.dim": 64}``."""

    def walk(section: dict[str, Any], than: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        for key, value in section.items():
            if isinstance(value, dict):
                yield from walk(value, than.get(key) or {}, f"{above}{key}.")
            elif key not in than or value != than[key]:
                yield above + key, value

    return dict(walk(settings.model_dump(), other.model_dump(), ""))


def value_at(settings: Section, key: str) -> Any:
    """The value at a key such as ``data.dim``, as YAML would hold it."""
    value: Any = settings.model_dump(mode="json")
    for part in key.split("."):
        value = value[part]
    return value


def checked(model: type[Settings], tree: dict[str, Any], where: str = "", context: Any = None) -> Settings:
    """Settings from nested values; `where` is put before an error, and validators get the `context`.

    Raises:
        InputError: as `load_settings`.
    """
    try:
        return model.model_validate(tree, context=context)
    except ValidationError as error:
        raise InputError(where + _first_line(error, model)) from None


class _Loader(yaml.SafeLoader):
    """Plain YAML: no objects, no key twice, and 1e-3 is a number (YAML 1.1 would read a text)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def parse_yaml(text: str, where: str) -> Any:
    """The value of a plain YAML text; `where` it stands opens the message of an `InputError`."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except Exception as error:  # PyYAML lets ValueError, TypeError and others through, as for the date 2001-99-01
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"{where}{line}: not a plain YAML file: {reason}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a plain YAML file.

    Raises:
        InputError: the file is absent, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise InputError(f"cannot read the configuration {path}: {reason}") from None
    tree = parse_yaml(text, str(path))
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise InputError(f"{path}: a configuration is a mapping of sections, not a {type(tree).__name__}")
    return tree


def _override(tree: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text}: expected section.key=value")
    _place(tree, key.strip(), parse_yaml(value, f"--set {text}"), f"--set {text}")


def _place(tree: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Put a value at ``section.key``."""
    *sections, last = key.split(".")
    for section in sections:
        inner = tree.setdefault(section, {})
        if inner is None:
            inner = tree[section] = {}
        if not isinstance(inner, dict):
            raise InputError(f"{where}: {section} is a value, not a section")
        tree = inner
    tree[last] = value


def _first_line(error: ValidationError, model: type[BaseModel]) -> str:
    """One line for the first thing wrong; an unknown key gets the nearest known one."""
    problem = error.errors()[0]
    # Pydantic puts the branch of a union behind the keys: only keys of the configuration are shown.
    path = [str(part) for part in problem["loc"]]
    section = model
    keys: list[str] = []
    for part in path:
        keys.append(part)
        inner = section.model_fields[part].annotation if part in section.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        section = inner
    where = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], _known_keys(section), n=1, cutoff=0)
        return f"unknown key {where}" + (f"; did you mean {'.'.join([*keys[:-1], near[0]])}?" if near else "")
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and not keys:
        return message
    if problem["type"] == "model_type":
        return f"{where}: should be a section of keys, got {problem['input']!r}"
    value = problem["input"]
    expected = " or ".join(dict.fromkeys(e["msg"] for e in error.errors() if [str(p) for p in e["loc"]][: len(keys)] == keys))
    return f"{where}: {expected.removeprefix('Value error, ')}, got {value!r}".replace("Input should", "should")


def _known_keys(section: type[BaseModel]) -> list[str]:
    return list(section.model_fields)
