"""Filling the templates: a page as one text, with its style, scripts and numbers inside."""

import base64
import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

from theory_sim.reports.charts import Chart, table
from theory_sim.reports.intervals import rounded
from theory_sim.reports.neuron_map import NeuronMap
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.provenance import package_version
from theory_sim.runtime.storage import without_nan

_PARTS = {"jinja2": "Jinja2", "plotly": "Plotly"}


def need_extra() -> None:
    """Make sure that the dependencies of pages are installed.

    Raises:
        InputError: one is missing; the message says which install line brings it.
    """
    missing = [name for module, name in _PARTS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise InputError(f"report pages need {' and '.join(missing)}: pip install 'theory-sim[report]'")


def page(
    template: str,
    title: str,
    sections: Sequence[tuple[str, str]],
    charts: Sequence[Chart] = (),
    maps: Sequence[Sequence[NeuronMap]] = (),
    **values: Any,
) -> str:
    """The text of a page.

    Args:
        template: the name of its template, such as ``run``.
        title: its title.
        sections: id and heading of each section, for the list at the top.
        charts: its charts.
        maps: the maps of neurons of each run.
        values: what else the template shows; texts are escaped.
    """
    need_extra()
    import jinja2

    templates = resources.files("theory_sim.reports") / "templates"
    loader = jinja2.FunctionLoader(lambda name: (templates / name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"g4": lambda number: _number(rounded(number), 4), "g2": lambda number: _number(number, 2)}
    scripts = [_plotly(), (templates / "page.js").read_text(encoding="utf-8")]
    return environment.get_template(f"{template}.html.j2").render(
        title=title,
        sections=sections,
        charts=charts,
        maps=maps,
        tables={chart.id: table(chart) for chart in charts},
        data=without_nan({"charts": [asdict(chart) for chart in charts], "maps": [[asdict(map_) for map_ in of] for of in maps]}),
        policy=_policy(scripts),
        scripts=scripts,
        style=(templates / "style.css").read_text(encoding="utf-8"),
        version=package_version(),
        **values,
    )


def cells(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[list[str]]:
    """The texts of a table's cells."""
    return [[_text(row.get(column)) for column in columns] for row in rows]


def _policy(scripts: Sequence[str]) -> str:
    """The content security policy: the page's own scripts run, no others, and nothing is requested."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    other = "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {allowed}; {other}"


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    return text


def _number(number: Any, digits: int) -> str:
    if number is None:
        return "undefined"
    return f"{number:.{digits}g}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return "" if value is None else str(value)
