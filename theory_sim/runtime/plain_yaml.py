"""Plain YAML: one form of numbers, no objects, no aliases, and an error for each form that YAML readers interpret differently.

=============================  ==========================================================================
`null`, `~`, nothing           null
`true`, `false`                (also `True`, `TRUE`)
`12`, `-3`, `+1`, `1e2`        integers: numbers without a fraction, whatever their form (``64.0`` is 64)
`0.5`, `.5`, `1e-3`, `.inf`    floats
everything else                text
=============================  ==========================================================================

YAML 1.1 reads `010` as 8, `1:30` as 90 and `no` as false, other readers take them as 10 or as texts. Such values are refused:
the message says how to write the number, and quotes make a text of it.
"""

import re
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import yaml
from yaml.constructor import ConstructorError
from yaml.scanner import ScannerError

from theory_sim.runtime.errors import InputError, shortened

_TAG = "tag:yaml.org,2002:"
_REFUSED = f"{_TAG}refused"
_MOST_DIGITS = 400
"""More than any float has before its point; Python refuses to convert some thousands of digits."""

_PLAIN = {
    f"{_TAG}null": r"~|null|Null|NULL|",
    f"{_TAG}bool": r"true|True|TRUE|false|False|FALSE",
    f"{_TAG}int": r"[-+]?(0|[1-9][0-9]*)",
    f"{_TAG}float": r"""[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?
                      |[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)""",
    _REFUSED: r"""yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF
                  |[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9][0-9_]*)?
                  |[-+]?0([bB][01_]+|[oO][0-7_]+|[xX][0-9a-fA-F_]+)
                  |[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?
                  |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt\ \t].*)?
                  |<<""",
}
"""The tags of plain scalars and their forms, in the order in which they are tried; no form matches: a text."""


class _RefusedError(ConstructorError):
    """A form that YAML has and settings have not."""


class _Loader(yaml.SafeLoader):
    """Reads plain YAML: a key may not occur twice, and aliases and merge keys are refused."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None:
            reason = "anchors (&name) and aliases (*name) are not supported: write the value out"
            raise _RefusedError(None, None, f"{reason}, or put quotes around a text", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        built: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise ConstructorError(None, None, "unhashable key", key_node.start_mark)
            if not isinstance(key, str):
                raise ConstructorError(None, None, f"key {shortened(repr(key))} is not a text", key_node.start_mark)
            if key in built:
                raise ConstructorError(None, None, f"key '{shortened(key)}' occurs twice", key_node.start_mark)
            built[key] = self.construct_object(value_node, deep=deep)
        return built

    def text(self, node: Any) -> str:
        """A text; no path, name or message can hold the character NUL."""
        value: str = self.construct_scalar(node)
        if "\0" in value:
            raise ConstructorError(None, None, "a text holds the character NUL", node.start_mark)
        return value

    def integer(self, node: Any) -> int:
        text = self._number(node)
        if len(text) > _MOST_DIGITS:
            raise ConstructorError(None, None, f"a number of {len(text)} digits", node.start_mark)
        return int(text)

    def number(self, node: Any) -> float | int:
        value = float(self._number(node).replace(".inf", "inf").replace(".nan", "nan"))
        return int(value) if value.is_integer() and abs(value) < 2**53 else value

    def refuse(self, node: Any) -> Any:
        raise _RefusedError(None, None, _advice(self.construct_scalar(node)), node.start_mark)

    def tag_of(self, text: str) -> str:
        """The tag of a plain scalar."""
        return self.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call, no-any-return]

    def _number(self, node: Any) -> str:
        text: str = self.construct_scalar(node)
        if self.tag_of(text) == _REFUSED:  # after an explicit !!int
            self.refuse(node)
        return text.lower()


class _ValueLoader(_Loader):
    """Reads a value of the command line, where no comment is meant."""

    def scan_to_next_token(self) -> None:
        start = self.pointer
        super().scan_to_next_token()
        if "#" in self.buffer[start : self.pointer]:
            raise ScannerError(None, None, "put quotes around a text that holds #", self.get_mark())


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads as it was: a text that looks like a number gets quotes."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _form in _PLAIN.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(rf"(?:{_form})\Z", re.VERBOSE), None)
_CONSTRUCTORS: dict[Any, Any] = {
    f"{_TAG}null": _Loader.construct_yaml_null,
    f"{_TAG}bool": _Loader.construct_yaml_bool,
    f"{_TAG}int": _Loader.integer,
    f"{_TAG}float": _Loader.number,
    f"{_TAG}str": _Loader.text,
    f"{_TAG}seq": _Loader.construct_yaml_seq,
    f"{_TAG}map": _Loader.construct_yaml_map,
    _REFUSED: _Loader.refuse,
    None: _Loader.construct_undefined,
}
for _name, _construct in _CONSTRUCTORS.items():
    _Loader.add_constructor(_name, _construct)


def parse_yaml(text: str, where: str) -> Any:
    """The value of a plain YAML text; `where` it is opens the message of an `InputError`."""
    with _errors(text, where):
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def parse_value(text: str, where: str) -> Any:
    """A value of the command line: as in a file, but ``#`` and ``: `` are text in it, as in ``data.path=set #2``.

    Raises:
        InputError: it is no plain YAML.
    """
    text = text.strip()
    with _errors(text, where):
        if text.startswith(tuple("[{\"'&*!|>%@`")):  # more than one word, or what opens other things in YAML
            return yaml.load(text, _ValueLoader)  # noqa: S506 - a SafeLoader
        loader = _Loader("")
        return loader.construct_object(yaml.ScalarNode(loader.tag_of(text), text))


def parse_values(text: str, where: str) -> list[Any]:
    """Values of the command line with commas between.

    Raises:
        InputError: they are no plain YAML.
    """
    with _errors(text, where):
        values: list[Any] = yaml.load(f"[{text}]", _ValueLoader)  # noqa: S506 - a SafeLoader
        return values


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a file of plain YAML.

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


def yaml_text(value: Any) -> str:
    """Nested plain values as a YAML text, which `parse_yaml` reads as they were."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


@contextmanager
def _errors(text: str, where: str) -> Iterator[None]:
    """PyYAML's errors as an `InputError` that names the line, where there are several."""
    try:
        yield
    except Exception as error:  # PyYAML lets ValueError, TypeError and others through, as for !!int abc
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None and "\n" in text else ""
        what = "" if isinstance(error, _RefusedError) else "not plain YAML: "
        raise InputError(f"{where}{line}: {what}{shortened(reason, 300)}") from None


def _advice(text: str) -> str:
    """What to write instead of a value that readers of YAML take differently."""
    if text == "<<":
        return "merge keys (<<) are not supported: write the values out"
    said = shortened(text, 60)
    if text.isalpha():
        other = str(text.lower() in ("yes", "on")).lower()
    elif re.match(r"\d+-", text):
        other = "a number"
    elif ":" in text:
        other = "the number in decimal digits"
    else:
        digits = text.replace("_", "")
        sign, unsigned = (digits[0], digits[1:]) if digits[0] in "+-" else ("", digits)
        based = unsigned[:2].lower() in ("0b", "0o", "0x")
        other = sign + (str(int(unsigned, 0)) if based else re.sub(r"^0+(?=\d)", "", unsigned))
    return f'YAML\'s versions read {said} differently: write {shortened(other, 60)}, or "{said}" with quotes for a text'
