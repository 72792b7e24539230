"""The figure gallery: one module per figure, drawn from results by ``theory-sim figures``.

In a checkout this package is the folder ``figures/``; installed it is ``theory_sim.figures``. What each module holds:

* ``NAME`` — file name of the figure, without suffix;
* ``CAPTION`` — what is shown, so that the picture can be read without the text around it;
* ``SIZE`` — width and height in inches, the width one of `theory_sim.figures.style`'s;
* ``LAYOUT`` — named panels: the arguments of `matplotlib.figure.Figure.subplot_mosaic`;
  both may be functions of the table, where its rows decide how many panels or lines there are;
* ``needs(config)`` — the runs, evaluations and studies that it draws (`Needs`), none or more;
* ``compute(config, results, inputs)`` — a tidy `pandas.DataFrame` of the numbers to draw, from what it needs: the runs'
  results; and evaluations, tables of studies on images, and `theory_sim.figures.inputs.StudyTables`, in that order;
* ``draw(table, axes)`` — draws the table, and nothing else, into the panels.

No module trains: `theory_sim.figures.gallery` makes or loads runs and evaluations, loads finished studies, and hands
them over. The table is written as CSV beside the picture, and `draw` works on the CSV read back: what is seen is what is
in the file. A new figure is one new module and one new entry in `theory_sim.figures.gallery.GALLERY`.
"""

from dataclasses import dataclass, field

from theory_sim.config import Config


@dataclass(frozen=True)
class Needs:
    """What a figure is drawn from.

    Attributes:
        runs: configurations to be trained.
        evaluations: (number of a run, configuration of the test samples): tests of that run's networks.
        image_studies: names of studies on real images (``theory-sim pretrain``).
        studies: names of the simulator's studies (``theory-sim study``).
    """

    runs: list[Config] = field(default_factory=list)
    evaluations: list[tuple[int, Config]] = field(default_factory=list)
    image_studies: list[str] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
