"""The page of all figures."""

import datetime
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from theory_sim.config import Config
from theory_sim.figures.common.figure import FIGURES, Figure
from theory_sim.figures.gallery.source import Source
from theory_sim.figures.gallery.studies import image_command, study_cells, study_command
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


def write_page(figures: Iterable[Figure], source: Source, command: str, folder: Path) -> None:
    """Write the gallery's page, ``README.md``: figures drawn now get new entries, all others keep theirs.

    Args:
        figures: those drawn now.
        source: where they came from.
        command: the command that drew them, without their names.
        folder: of the pictures and the page.

    Raises:
        InputError: as `check_page`.
    """
    check_page(folder)
    path = folder / _PAGE
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", before, re.M | re.S))
    for figure in figures:
        entries[figure.name] = _entry(figure, source, command)
    # Entries of plugins that are not loaded now come last.
    order = [*(name for name in FIGURES if name in entries), *(name for name in entries if name not in FIGURES)]
    text = _OPENING + "".join(f"## {name}\n{entries[name].rstrip()}\n\n" for name in order)
    absent = [f"- **{name}**: {first}`{command} {name}`\n" for name, first in _commands(source).items() if name not in entries]
    if absent:
        text += "## Not drawn yet\n\n" + "".join(absent)
    write_text(path, text.rstrip() + "\n")


def _commands(source: Source) -> dict[str, str]:
    """The commands to run before a figure can be drawn, for each figure that is not drawn without its name."""
    found = {}
    for name in FIGURES:
        needs = FIGURES[name].needs(source.config)
        studies = [] if source.smoke else [study_command(study, source.out) for study in needs.made_by_study]
        commands = studies + [image_command(study, source.out) for study in needs.image_studies]
        if commands or FIGURES[name].cost is not None:
            found[name] = "".join(f"`{command}`, then " for command in commands)
    return found


def _entry(figure: Figure, source: Source, command: str) -> str:
    name, needs = figure.name, figure.needs(source.config)
    studies = [study_command(study, source.out, source.smoke) for study in needs.made_by_study]
    studies += [image_command(study, source.out) for study in needs.image_studies]
    runs = needs.runs + [cell for study in needs.made_by_study for cell in study_cells(study, source.smoke)]
    lines = [
        f"\n![{name}]({name}.png)\n",
        f"{figure.caption}\n",
        f"- files: [{name}.pdf]({name}.pdf), [{name}.csv]({name}.csv)",
        *[f"- study: `{study}`" for study in studies],
        *([] if needs.image_studies else [f"- configuration: {describe(runs or [source.config])}"]),
    ]
    if needs.evaluations:
        lines.append(f"- tested with: {describe([other for _, other in needs.evaluations])}")
    lines += [f"- command: `{command} {name}`", f"- drawn: {datetime.date.today().isoformat()}"]
    return "\n".join(lines)


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
