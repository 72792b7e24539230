"""The defaults of the theory and of the engine that a configuration names, below the values that are given."""

from collections.abc import Mapping
from typing import Any

from theory_sim.config.values import ENGINE, LABEL_GRANULARITY, NETWORKS, STEP_SIZES
from theory_sim.runtime import plugins as user_plugins
from theory_sim.runtime.settings import checked_at, merged, same_keys


def with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values given above the theory's defaults; a mapping of networks may be given in part.

    The plugins that the values name are imported first.

    Raises:
        InputError: a plugin cannot be imported, there is no such theory, a section that the theory or the engine has is wrong, or
            a section of networks names one that the theory has not.
        ValueError: a section is given that the theory or the engine has not.
    """
    if isinstance(named := given.get("plugins"), list | tuple) and all(isinstance(plugin, str) for plugin in named):
        user_plugins.load(named)
    defaults: dict[str, Any] = {"labels": dict(NETWORKS), "training": {"step_size": dict(STEP_SIZES)}}
    name = given.get("theory", LABEL_GRANULARITY)
    if name != LABEL_GRANULARITY and isinstance(name, str):
        from theory_sim.runtime.contracts import SETUPS

        setup = SETUPS[name]
        own = dict(setup.defaults)
        if "labels" in own:  # networks of its own: none of the paper's
            defaults = {}
        if setup.parameters is not None:
            parameters = checked_at("law", setup.parameters, given.get("law"))
            own, given = merged(own, {"law": parameters}), dict(given) | {"law": parameters}
        elif given.get("law"):
            raise ValueError(f"law: the theory {name} has no parameters of its own")
        defaults = merged(defaults, {"name": name} | own)
    known = defaults["labels"]
    values = _with_engine(defaults, given)
    sections = {"labels": values.get("labels")}
    if isinstance(values.get("training"), Mapping):
        sections["training.step_size"] = values["training"].get("step_size")
    for key, section in sections.items():
        if isinstance(section, Mapping):
            same_keys(key, section, known, "network")
    return values


def _with_engine(defaults: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values given above the defaults, with the complete settings of their engine.

    A theory's defaults for an engine's settings are left out where another engine is chosen.

    Raises:
        ValueError: settings are given, and the engine has none.
        InputError: as `theory_sim.runtime.settings.load_settings`.
    """
    values = merged(defaults, given)
    training = values.get("training")
    name = training.get("engine", ENGINE) if isinstance(training, Mapping) else ENGINE
    if (defaults.get("training") or {}).get("engine", ENGINE) != name:
        values["engine"] = given.get("engine")
    if not isinstance(name, str) or (name == ENGINE and not values.get("engine")):
        return values | {"engine": values.get("engine") or {}}
    from theory_sim.runtime.contracts import ENGINES

    settings = getattr(ENGINES[name], "settings", None)
    if settings is not None:
        return values | {"engine": checked_at("engine", settings, values.get("engine"))}
    if values.get("engine"):
        raise ValueError(f"engine: the engine {name} has no settings of its own; leave out the section")
    return values | {"engine": {}}
