"""The figure gallery: one module per figure, drawn from results by ``python -m figures``.

What each module holds:

* ``NAME`` — file name of the figure, without suffix;
* ``CAPTION`` — what is shown, so that the picture can be read without the text around it;
* ``SIZE`` — width and height in inches, the width one of `figures.style`'s;
* ``LAYOUT`` — named panels: the arguments of `matplotlib.figure.Figure.subplot_mosaic`;
* ``runs(config)`` — the configurations whose results it needs, none or more;
* ``compute(config, results)`` — a tidy `pandas.DataFrame` of the numbers to draw, from those results, in that order;
* ``draw(table, axes)`` — draws the table, and nothing else, into the panels.

No module trains: ``python -m figures`` makes or loads the runs and hands them over. The table is written as CSV beside
the picture, and `draw` works on the CSV read back: what is seen is what is in the file. A new figure is one new module
and one new entry in `figures.__main__.GALLERY`.
"""
