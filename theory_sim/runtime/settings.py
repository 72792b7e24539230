"""Settings as YAML files say them: checked sections, overrides by ``section.key=value``, and errors of one line."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from theory_sim.runtime.errors import InputError, expect, nearest, shortened
from theory_sim.runtime.plain_yaml import parse_value, read_yaml

# The upper bounds: products of two stay within single precision, and no memory holds such counts.
Positive = Annotated[float, Field(gt=0, le=1e18)]
NonNegative = Annotated[float, Field(ge=0, le=1e18)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
CountOrZero = Annotated[int, Field(ge=0, le=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _ordered(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower end {bounds[0]} is above the upper end {bounds[1]}")
    return bounds


Range = Annotated[list[NonNegative], Field(min_length=2, max_length=2), AfterValidator(_ordered)]


def _distinct(values: list[Any]) -> list[Any]:
    """Refuse a value that is given twice."""
    if twice := repeated(values):
        raise ValueError(f"{twice[0]!r} is given twice")
    return values


Distinct = AfterValidator(_distinct)
"""Marks a list of settings whose values name parts of the results: each must be given once."""


Settings = TypeVar("Settings", bound="Section")


def repeated(values: Sequence[Any]) -> list[Any]:
    """The values that are equal to an earlier one."""
    with suppress(TypeError):  # lists have no hash
        if len(set(values)) == len(values):
            return []
    return [value for place, value in enumerate(values) if value in values[:place]]


class Section(BaseModel):
    """Unknown keys, wrong types, NaN and infinity are refused; values cannot be changed once checked."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, given: Any) -> Any:
        """Take a section without keys, which YAML reads as None, as one that is not given; one that must be given is empty."""
        if not isinstance(given, Mapping):
            return given
        found = dict(given)
        for name, field in cls.model_fields.items():
            if found.get(name, ...) is None and _is_section(field.annotation):
                found |= {name: {} if field.is_required() else field.get_default(call_default_factory=True)}
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse it.

        Raises:
            InputError: settings cannot be changed; the message says how to make others.
        """
        raise InputError(f"{name}: settings cannot be changed; replace({{{name!r}: {_shown(value)}}}) makes others")

    def __delattr__(self, name: str) -> None:
        """Refuse it.

        Raises:
            InputError: settings cannot be changed.
        """
        raise InputError(f"{name}: settings cannot be changed")

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


def _is_section(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, Section | Mapping)


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
    where = "" if path is None else f"{path}: "
    try:
        return checked(model, tree, where)
    except InputError as error:
        message = str(error).removeprefix(where)
        named = re.split(r"[:;]", message.removeprefix("unknown key "))[0]
        given = [key for key, value in values.items() if value is not None]
        given += [text.partition("=")[0].strip() for text in overrides]
        if any(f"{named}.".startswith((f"{key}.", f"{key}[")) for key in given):  # the option is wrong, not the file
            raise InputError(message) from None
        raise


def differences(settings: Section, other: Section) -> dict[str, Any]:
    """The values of `settings` that `other` has not, by their keys: ``{"data.dim": 64}``."""
    return beyond(flat(settings.model_dump()), flat(other.model_dump()))


def beyond(values: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """The values that others do not have at the same key."""
    return {key: value for key, value in values.items() if key not in usual or usual[key] != value}


def flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The values of nested sections by their keys: ``{"data": {"dim": 64}}`` has ``data.dim``."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested sections of values by their keys: the opposite of `flat`.

    Raises:
        InputError: a key is a value and a section.
    """
    tree: dict[str, Any] = {}
    for key, value in values.items():
        _place(tree, key, value, key)
    return tree


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
    with _one_line_errors(model, where):
        return model.model_validate(tree, context=context)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested sections, those above before those below."""
    values = dict(below)
    for key, value in above.items():
        there = values.get(key)
        if value is None and isinstance(there, Mapping):  # an empty section
            continue
        values[key] = merged(there, value) if isinstance(there, Mapping) and isinstance(value, Mapping) else value
    return values


def checked_at(key: str, section: type[Section], given: Any) -> dict[str, Any]:
    """The values of a section that the model above it does not know; errors name the key as if it did.

    Raises:
        InputError: as `load_settings`.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"{key}: should be a section of keys, got {_shown(given)}")
    with _one_line_errors(section, "", [key]):
        return section.model_validate(dict(given or {})).model_dump()


def same_keys(section: str, given: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Refuse a section that has not a value for each of some names, or one for another name.

    Raises:
        InputError: as `load_settings`.
    """
    known = list(known)
    for key in given:
        if key not in known:
            near = nearest(str(key), known)
            hint = f"; did you mean {section}.{near}?" if near else ""
            raise InputError(f"unknown key {section}.{shortened(str(key))}: the theory's {what}s are {', '.join(known)}{hint}")
    if missing := [key for key in known if key not in given]:
        raise InputError(f"{section}.{missing[0]}: the {what} has no value")


def _override(tree: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    where = f"--set {shortened(text)}"
    if not equals or not key.strip():
        raise InputError(f"{where}: expected section.key=value")
    _place(tree, key.strip(), parse_value(value, where), where)


def _place(tree: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Put a value at ``section.key``."""
    *sections, last = key.split(".")
    for section in sections:
        inner = tree.setdefault(section, {})
        if inner is None:
            inner = tree[section] = {}
        if not isinstance(inner, dict):
            raise InputError(f"{where}: {shortened(section)} is a value, not a section")
        tree = inner
    tree[last] = value


@contextmanager
def _one_line_errors(model: type[BaseModel], where: str, above: Sequence[str] = ()) -> Iterator[None]:
    try:
        try:
            yield
        except ValidationError as error:
            raise InputError(where + _first_line(error, model, above)) from None
    except UnicodeEncodeError as error:  # pydantic's, also where it describes another error
        raise InputError(f"{where}a text holds bytes that are not UTF-8: {shortened(ascii(error.object))}") from None


def _first_line(error: ValidationError, model: type[BaseModel], above: Sequence[str] = ()) -> str:
    """One line for the first thing wrong, with the keys `above`; an unknown key gets the nearest known one."""
    problem = error.errors()[0]
    # Pydantic puts the branch of a union behind the keys: only keys of the configuration are shown.
    section: type[BaseModel] = model
    each: type[BaseModel] | None = None  # the section of a list's items, behind the key of the list
    keys: list[str] = []
    depth = 0  # parts of the place that are shown
    for part in problem["loc"]:
        depth += 1
        if isinstance(part, int) and each is not None:
            keys[-1] += f"[{part}]"
            section, each = each, None
            continue
        keys.append(str(part))
        field = section.model_fields.get(str(part))
        inner, each = (None, None) if field is None else (section_of(field.annotation), section_of_each(field.annotation))
        if inner is None and each is None:
            break
        section = inner or section
    where = shortened(".".join([*above, *keys]))
    if problem["type"] == "extra_forbidden":
        listed = any(key.endswith("]") for key in keys[:-1])
        return unknown_key(keys[-1:], section, [*above, *keys[:-1]]) if listed else unknown_key(keys, model, above)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and not keys:
        return message
    if problem["type"] == "model_type":
        return f"{where}: should be a section of keys, got {_shown(problem['input'])}"
    value = problem["input"]
    expected = " or ".join(dict.fromkeys(e["msg"] for e in error.errors() if e["loc"][:depth] == problem["loc"][:depth]))
    return f"{where}: {expected.removeprefix('Value error, ')}, got {_shown(value)}".replace("Input should", "should")


def all_keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """The keys of settings and of their sections: ``data``, ``data.dim``, …"""
    for name, field in model.model_fields.items():
        yield above + name
        if (inner := section_of(field.annotation)) is not None:
            yield from all_keys(inner, f"{above}{name}.")


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a key of this type holds; None: it holds a value."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def section_of_each(annotation: Any) -> type[BaseModel] | None:
    """The section that each item of a list of this type holds; None: it is no list of sections."""
    items = get_args(annotation) if get_origin(annotation) is list else ()
    return section_of(items[0]) if items else None


def section_of_key(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The section at a key; None: the key holds a value, or there is no such key."""
    section: type[BaseModel] | None = model
    for part in key.split("."):
        field = None if section is None else section.model_fields.get(part)
        section = None if field is None else section_of(field.annotation)
    return section


def unknown_key(keys: Sequence[str], model: type[BaseModel], above: Sequence[str] = ()) -> str:
    """What a message says of a key that settings have not: which are meant, perhaps in other sections.

    Args:
        keys: its parts.
        model: the settings.
        above: the sections that the settings are in.
    """
    named = [".".join([*above, key]) for key in _alike(keys, model)]
    meant = " or ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))
    unknown = shortened(".".join([*above, *keys]))
    return f"unknown key {unknown}" + (f"; did you mean {meant}?" if named else "")


def _alike(keys: Sequence[str], model: type[BaseModel]) -> list[str]:
    """The keys that an unknown one may mean: of its name in other sections, else the nearest of its own section or of others."""
    *path, name = keys
    section = section_of_key(model, ".".join(path)) if path else model
    siblings = () if section is None else section.model_fields
    others = [key for key in all_keys(model) if key.rpartition(".")[2] == name]
    if others or len(name) > 100:
        return others
    near, far = nearest(name, siblings, 0.6), nearest(name, {key.rpartition(".")[2] for key in all_keys(model)}, 0.75)
    if near is None and far is not None:
        return [key for key in all_keys(model) if key.rpartition(".")[2] == far]
    near = near or nearest(name, siblings)
    return [".".join([*path, near])] if near else []


def _shown(value: Any) -> str:
    return shortened(repr(value))
