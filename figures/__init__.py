"""The figures, drawn by ``theory-sim figures``: each is one `Figure`, registered by name in `FIGURES`.

In a checkout this package is the folder ``figures/``; installed it is ``theory_sim.figures``. A module here holds one figure
or a few of one kind; ``plot`` holds plots for notebooks, ``common`` what several share, and
``gallery`` the code that makes the runs a figure needs, draws it, and writes the page of all figures.

No figure trains. It names the runs, evaluations and studies it needs (`Needs`); the gallery makes or loads them and passes
them on (`Inputs`). `Figure.compute` turns them into a table, which is written as CSV; `Figure.draw` draws the CSV file read
back.

`Figure.paint` draws such a table for a notebook or a paper, at another width, in another style or with other colours (`Look`)::

    import pandas as pd
    from theory_sim.figures import FIGURES, Look

    table = pd.read_csv("paper_figs/responses.csv")
    FIGURES["responses"].paint(table, Look(width=3.3, palette="colorblind")).savefig("responses.svg")

The command does the same for all: ``theory-sim figures --from paper_figs --out column --width 3.3``.

To add a figure of your own, put it in a file and name the file on the command line::

    # my_figure.py, drawn by: theory-sim figures my_figure --plugin my_figure.py
    from theory_sim.figures import Figure, Needs, register

    register(Figure("my_figure", summary=..., caption=..., size=..., layout=..., needs=..., compute=..., draw=...))

`theory_sim.testing.figures` checks that a figure keeps the contract.
"""

from theory_sim.figures.common.figure import FIGURES, Figure, Inputs, Layout, Needs, Panels, Size, StudyTables, register
from theory_sim.figures.common.look import Look

__all__ = ["FIGURES", "Figure", "Inputs", "Layout", "Look", "Needs", "Panels", "Size", "StudyTables", "plot", "register"]

# The package's own figures are registered first, in the order of the gallery, whichever module is imported first.
FIGURES.load()

from theory_sim.figures import plot  # noqa: E402
