"""``python -m figures``: make or load the runs, then write each figure as PDF, PNG and CSV."""

import argparse
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd

from figures import data_model, style, theorems
from theory_sim import experiment
from theory_sim.config import Config, load_config
from theory_sim.errors import DivergedError, InputError
from theory_sim.experiment import Results
from theory_sim.progress import progress_bar
from theory_sim.storage import write_atomically

GALLERY: dict[str, ModuleType] = {module.NAME: module for module in (data_model, theorems)}


def main(arguments: list[str] | None = None) -> int:
    """Draw the figures named, or all; 0: done, 2: wrong input."""
    parser = argparse.ArgumentParser("python -m figures", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"figures to draw: {', '.join(GALLERY)}; all without it")
    parser.add_argument("--out", type=Path, default=Path("paper_figs"), help="folder of the pictures")
    parser.add_argument("--config", type=Path, help="a YAML file; the default configuration without it")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the runs; finished ones are loaded")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(GALLERY):
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(GALLERY)}")
    modules = [GALLERY[name] for name in dict.fromkeys(options.names or GALLERY)]
    try:
        config = load_config(options.config)
        style.use()
        for module in modules:
            # A run that two figures need is made once: the second finds it finished.
            results = [make(run, options.results) for run in module.runs(config)]
            save(module, module.compute(config, results), options.out)
            print(f"{options.out / module.NAME}: pdf, png, csv")
    except (InputError, DivergedError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def make(config: Config, results: Path) -> Results:
    """Run a configuration or load it, with a progress bar."""
    with progress_bar(f"{config.name}: ") as show:
        return experiment.run(config, results, progress=show)


def save(module: ModuleType, table: pd.DataFrame, folder: Path) -> None:
    """Write a figure and its numbers; the same table gives the same bytes."""
    write_atomically(folder / f"{module.NAME}.csv", lambda part: table.to_csv(part, index=False))
    figure = style.paint(module, table)
    for suffix, metadata in {"pdf": {"CreationDate": None, "Title": module.NAME, "Subject": module.CAPTION}, "png": {}}.items():
        write_atomically(
            folder / f"{module.NAME}.{suffix}",
            lambda part, suffix=suffix, metadata=metadata: figure.savefig(part, format=suffix, metadata=metadata),
        )


if __name__ == "__main__":
    sys.exit(main())
