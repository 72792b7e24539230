"""The command config: a configuration as it is resolved, its schema, and what each key means."""

import json as json_
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import typer

from theory_sim.cli.program import ConfigFile, Json, Plugin, Replicas, Seed, Set, app, read_config
from theory_sim.config import Config
from theory_sim.runtime.contracts import ENGINES, SETUPS
from theory_sim.runtime.display import new_console, new_table
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.plain_yaml import yaml_text
from theory_sim.runtime.settings import Section, all_keys, section_of_key, unknown_key, value_at

_SYMBOL = re.compile(r"(\[ι[^\]]*\]|[A-Za-z]|[^\s,:.]*[^\x00-\x7f\s,:.][^\s,:.]*)(?=[,:.] |\.$|, | of | per )")
"""What a description opens with if it names a symbol: a letter, or a word with Greek letters or other signs."""
_SOURCE = re.compile(r"\[(paper|recalled|ours)[^\]]*\]")


@dataclass(frozen=True)
class KeyDescription:
    """What a key of the configuration means.

    Attributes:
        key: the key.
        symbol: its symbol in the theory, where it has one.
        unit: the unit of its value, or what the value counts; empty for texts and switches.
        allowed: the values that are allowed.
        default: its default.
        value: its value in the configuration that was given.
        source: ``paper``, ``recalled`` or ``ours``, as marked in the description.
        description: what it sets.
    """

    key: str
    symbol: str
    unit: str
    allowed: str
    default: Any
    value: Any
    source: str
    description: str


@app.command()
def config(
    config: ConfigFile = None,
    set_: Set = None,
    plugin: Plugin = None,
    replicas: Replicas = None,
    seed: Seed = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="Print all values as YAML.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of configurations, for editors.")] = False,
    explain: Annotated[str | None, typer.Option(metavar="KEY", help="Explain a key, or the keys of a section.")] = None,
    json: Json = None,
) -> int:
    """Show a configuration: each key with its value, default, symbol, unit and source. It is checked and not run."""
    if sum((resolved, schema, explain is not None)) > 1:
        raise InputError("--resolved, --schema and --explain show different things: give one of them")
    known = None if explain is None else _known(explain)  # a wrong one is answered without importing the numerical packages
    checked = read_config(config, set_, plugin, replicas, seed)
    if schema:
        described = Config.model_json_schema()
        if json is None:
            print(json_.dumps(described, indent=2, ensure_ascii=False))
        else:
            json.write(described)
        return 0
    if resolved:
        print(yaml_text(checked.model_dump(mode="json")), end="")
        if json is not None:
            json.write(checked.model_dump(mode="json"))
        return 0
    found = _explained(checked, explain or "", known or "")
    if json is not None:
        json.write([asdict(each) for each in found])
    if len(found) == 1 and found[0].key in (explain, known):
        for name, value in asdict(found[0]).items():
            if value not in ("", None) or name in ("default", "value"):
                print(f"{name + ':':13}{_shown(value)}")
        return 0
    table = new_table("key", "value", "default", "symbol", "unit", "source", "meaning")
    for each in found:
        default = "" if each.value == each.default else _shown(each.default)
        table.add_row(
            each.key, _shown(each.value), default, each.symbol, each.unit, each.source, _first_sentence(each.description)
        )
    new_console().print(table)
    return 0


def descriptions(settings: Section | type[Section]) -> Iterator[KeyDescription]:
    """What the keys of a configuration, or of other settings, mean.

    Args:
        settings: the settings whose values are shown; of a class, the values are the defaults.
    """
    model = settings if isinstance(settings, type) else type(settings)
    schema = model.model_json_schema()
    named = schema.get("$defs", {})
    default = None if isinstance(settings, type) else model()
    for key, own in _keys(schema, named):
        text = " ".join(own.get("description", "").split())
        symbol, source = _SYMBOL.match(text), _SOURCE.search(text)
        yield KeyDescription(
            key=key,
            symbol=symbol[1] if symbol else "",
            unit=_unit(own, key),
            allowed=_allowed(own, named),
            default=own.get("default") if default is None else value_at(default, key),
            value=own.get("default") if isinstance(settings, type) else value_at(settings, key),
            source=source[1] if source else "ours",
            description=text,
        )


def _explained(config: Config, of: str, known: str) -> list[KeyDescription]:
    """What the keys of a configuration mean, those that its theory's law and its engine define included.

    Args:
        config: the configuration.
        of: a key or a section; empty: all.
        known: the key of the schema that `of` is, or is an entry of.

    Raises:
        InputError: the law or the engine has no such key.
    """
    own = dict(_own_sections(config))
    found: list[KeyDescription] = []
    for row in descriptions(config):
        of_row = (replace(each, key=f"{row.key}.{each.key}") for each in descriptions(own[row.key])) if row.key in own else [row]
        found += of_row
    chosen = [each for each in found if not of or each.key == of or each.key.startswith(f"{of}.")]
    if not chosen and known in own:
        raise InputError(unknown_key([of.removeprefix(f"{known}.")], type(own[known]), [known]))
    return chosen or [each for each in found if each.key == known]


def _own_sections(config: Config) -> Iterator[tuple[str, Section]]:
    """The parameters of the theory's law and the settings of the engine, where they have any."""
    if config.law and (parameters := SETUPS[config.theory].parameters) is not None:
        yield "law", parameters.model_validate(config.law)
    if config.engine and (settings := getattr(ENGINES[config.training.engine], "settings", None)) is not None:
        yield "engine", settings.model_validate(config.engine)


def _known(key: str) -> str:
    """A key, or the one that it is an entry of, as ``labels.fine``.

    Raises:
        InputError: there is no such key; the message names those that may be meant.
    """
    known = set(all_keys(Config))
    for one in (key, key.rpartition(".")[0]):
        if one in known and (one == key or section_of_key(Config, one) is None):
            return one
    raise InputError(unknown_key(key.split("."), Config))


def _keys(schema: Any, named: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The keys that hold a value, and the JSON Schema of each."""
    for name, of in schema["properties"].items():
        inner = named.get(of.get("$ref", "").rpartition("/")[2], {})
        if "properties" in inner:
            yield from _keys(inner, named, f"{above}{name}.")
        else:
            yield above + name, of


def _unit(schema: Any, key: str) -> str:
    """What a key's numbers count or measure."""
    if "unit" in schema:
        return str(schema["unit"])
    kinds = [schema, *schema.get("anyOf", ())]
    of_kinds = [kind["unit"] for kind in kinds if "unit" in kind]
    if "$ref" in schema:  # nested numbers of subclasses
        return "count"
    if of_kinds or "seed" in key:
        return str(of_kinds[0]) if of_kinds else ""
    types = {kind.get("type") for kind in kinds}
    return "count" if "integer" in types else "none" if "number" in types else ""


def _allowed(schema: Any, named: Any) -> str:
    """The values that a JSON Schema allows."""
    if "anyOf" in schema:
        return " or ".join(_allowed(kind, named) for kind in schema["anyOf"])
    if "$ref" in schema:
        inner = named[schema["$ref"].rpartition("/")[2]]
        return "integer or a list of these, nested" if "anyOf" in inner else _allowed(inner, named)
    if "enum" in schema or "const" in schema:
        return " or ".join(map(str, schema.get("enum", [schema.get("const")])))
    text = str(schema.get("type", "any"))
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    ends = [f"{sign} {schema[end]:.4g}" for end, sign in signs.items() if end in schema]
    if "items" in schema:
        text = f"list of {_allowed(schema['items'], named)}"
        ends = [f"{schema['minItems']} of them"] if schema.get("minItems") == schema.get("maxItems", 0) else []
    if isinstance(schema.get("additionalProperties"), dict):
        text = f"for each network: {_allowed(schema['additionalProperties'], named)}"
    return " ".join([text, *([f"({', '.join(ends)})"] if ends else [])])


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _first_sentence(text: str) -> str:
    text = _SOURCE.sub("", _SYMBOL.sub("", text, count=1) if _SYMBOL.match(text) else text).lstrip(" ,:.").replace(" ;", ";")
    return re.split(r"(?<=[a-z\])])[.;:] ", text)[0].strip(" .")
