"""The page of all figures."""

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theory_sim.config import Config
from theory_sim.figures.common.figure import FIGURES, Figure, Needs
from theory_sim.figures.gallery.formats import FORMATS, shown
from theory_sim.figures.gallery.source import Source
from theory_sim.figures.gallery.studies import image_commands, study_cells, study_command
from theory_sim.runtime.outputs import check_ours
from theory_sim.runtime.settings import differences, value_at
from theory_sim.runtime.storage import write_text

_PAGE = "README.md"
_OPENING = "# Figures\n\nDrawn by `theory-sim figures`; the CSV files hold exactly the numbers that are drawn.\n\n"


def check_page(folder: Path) -> None:
    """Check that a page in the folder is a gallery's; what was added to its entries by hand is kept.

    Raises:
        InputError: it has another opening.
    """
    path = folder / _PAGE
    if path.is_file() and not path.read_bytes().startswith(_OPENING.encode()):
        check_ours([path])


@dataclass(frozen=True)
class Drawn:
    """How figures were drawn.

    Attributes:
        command: the command that drew them, without their names.
        formats: of the pictures.
        width: of the pictures in inches; None: each figure's own.
        read_from: the folder of the CSV files that they were drawn from; None: they were drawn from results.
    """

    command: str
    formats: Sequence[str] = FORMATS
    width: float | None = None
    read_from: Path | None = None


def write_page(figures: Iterable[Figure], source: Source, drawn: Drawn, folder: Path) -> None:
    """Write the gallery's page, ``README.md``: figures drawn now get new entries, all others keep theirs.

    Args:
        figures: those drawn now.
        source: where they came from.
        drawn: how they were drawn.
        folder: of the pictures and the page.

    Raises:
        InputError: as `check_page`.
    """
    check_page(folder)
    path = folder / _PAGE
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", before, re.M | re.S))
    for figure in figures:
        entries[figure.name] = _entry(figure, source, drawn)
    # Entries of plugins that are not loaded now come last.
    order = [*(name for name in FIGURES if name in entries), *(name for name in entries if name not in FIGURES)]
    text = _OPENING + "".join(f"## {name}\n{entries[name].rstrip()}\n\n" for name in order)
    missing = {} if drawn.read_from else {name: first for name, first in _commands(source).items() if name not in entries}
    absent = [f"- **{name}**: {first}`{drawn.command} {name}`\n" for name, first in missing.items()]
    if absent:
        text += "## Not drawn yet\n\n" + "".join(absent)
    write_text(path, text.rstrip() + "\n")


def _commands(source: Source) -> dict[str, str]:
    """The commands to run before a figure can be drawn, for each figure that is not drawn without its name."""
    found = {}
    for name in FIGURES:
        needs = FIGURES[name].needs(source.config)
        studies = [] if source.smoke else [study_command(study, source.out) for study in needs.made_by_study]
        commands = studies + _image_commands(needs, source)
        if commands or FIGURES[name].cost is not None:
            found[name] = "".join(f"`{command}`, then " for command in commands)
    return found


def _image_commands(needs: Needs, source: Source) -> list[str]:
    return [command for study in needs.image_studies for command in image_commands(study, source.out)]


def _entry(figure: Figure, source: Source, drawn: Drawn) -> str:
    name, picture = figure.name, shown(drawn.formats)
    files = [suffix for suffix in drawn.formats if suffix != picture] + ["csv"]
    lines = [] if picture is None else [f"\n![{name}]({name}.{picture})"]
    lines += [f"\n{figure.caption}\n", "- files: " + ", ".join(f"[{name}.{suffix}]({name}.{suffix})" for suffix in files)]
    if drawn.width is not None:
        lines.append(
            f"- width: {drawn.width:g} inches; of panels below each other, the caption's left one is above its right one"
        )
    lines += _origin(figure, source) if drawn.read_from is None else [f"- numbers: {drawn.read_from / name}.csv"]
    lines += [f"- command: `{drawn.command} {name}`", f"- drawn: {datetime.date.today().isoformat()}"]
    return "\n".join(lines)


def _origin(figure: Figure, source: Source) -> list[str]:
    """The studies and configurations that a figure was drawn from."""
    needs = figure.needs(source.config)
    studies = [study_command(study, source.out, source.smoke) for study in needs.made_by_study]
    studies += _image_commands(needs, source)
    runs = needs.runs + [cell for study in needs.made_by_study for cell in study_cells(study, source.smoke)]
    lines = [f"- study: `{study}`" for study in studies]
    if needs.configuration and not needs.image_studies:
        lines.append(f"- configuration: {describe(runs or [source.config])}")
    if needs.evaluations:
        lines.append(f"- tested with: {describe([other for _, other in needs.evaluations])}")
    return lines


def describe(runs: Sequence[Config]) -> str:
    """Describe configurations in words: the settings that vary among them, and those that they share."""
    base = Config()
    changed = [differences(run, base) | {"replicas": run.replicas, "seed": run.seed} for run in runs]
    keys = [key for key in dict.fromkeys(key for run in changed for key in run) if key != "name"]
    shared: list[str] = []
    varied: list[str] = []
    for key in keys:
        values = list(dict.fromkeys(_word(run[key] if key in run else value_at(base, key)) for run in changed))
        (shared if len(values) == 1 else varied).append(f"`{key}` {', '.join(values)}")
    number = f"{len(runs)} runs: " if len(runs) > 1 else ""
    return number + "the default configuration with " + "; ".join([*varied, *shared])


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
