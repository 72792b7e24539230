"""Images with what networks say of them, and the confusion of fine classes: what is drawn is what the tables say."""

import numpy as np
import pandas as pd
import pytest
from made_up import confusion, examples, write_images

from theory_sim.config import Config
from theory_sim.figures import image_confusion, image_examples
from theory_sim.figures.gallery.making import tables
from theory_sim.figures.gallery.source import Source
from theory_sim.runtime.errors import InputError


@pytest.fixture
def made(tmp_path):
    def compute(figure, **files: pd.DataFrame):
        write_images("digits", tmp_path)
        for name, table in files.items():
            table.to_csv(tmp_path / "digits/0123" / f"{name}.csv", index=False)
        ((_, table),) = tables([figure], Source(Config(), tmp_path, "cpu"))
        table.to_csv(tmp_path / "drawn.csv", index=False)
        return pd.read_csv(tmp_path / "drawn.csv")

    return compute


def test_each_image_has_its_class_and_what_each_network_says(made):
    table = made(image_examples.FIGURE)
    panels = {ax.get_label(): ax for ax in image_examples.FIGURE.paint(table).axes}
    assert set(panels) == {"easy 0", "easy 1", "hard 0"}
    for name, number in (("easy 0", 0), ("easy 1", 1), ("hard 0", 2)):
        (image,) = panels[name].images
        assert image.get_array()[0, 0].tolist() == [80 * number, 40, 200]
        assert panels[name].get_title() == f"{name[:4]}: {number}\nloop"
    said = {name: [text.get_text() for text in ax.texts] for name, ax in panels.items()}
    assert said["easy 0"] == ["baseline: ✓ 0.60", "leaf: ✓ 0.70", "random(5): ✓ 0.80"]
    assert said["hard 0"] == ["baseline: no loop 0.60", "leaf: no loop 0.70", "random(5): no loop 0.80"]
    colors = {name: {text.get_color() for text in ax.texts} for name, ax in panels.items()}
    assert colors["easy 0"] != colors["hard 0"]


def test_the_confusion_is_in_the_order_of_the_coarse_classes(made):
    table = made(image_confusion.FIGURE)
    picture = image_confusion.FIGURE.paint(table)
    matrix, shares = (next(ax for ax in picture.axes if ax.get_label() == name) for name in ("matrix", "shares"))
    assert [text.get_text() for text in matrix.get_yticklabels()] == ["0", "6", "1"]
    drawn = np.square(matrix.images[0].get_array())
    np.testing.assert_allclose(drawn, [[0.8, 0.2, 0], [0, 0.5, 0.5], [0.1, 0, 0.9]])
    widths = [bar.get_width() for bar in shares.patches]
    np.testing.assert_allclose(widths, [2 / 20, 0, 5 / 20, 1 / 10])


def test_studies_without_such_images_or_networks_are_refused(made):
    with pytest.raises(InputError, match="has no image: that takes seeds"):
        made(image_examples.FIGURE, examples=examples().iloc[:0])
    with pytest.raises(InputError, match="has no row: that takes the label function leaf and the transfer mode none"):
        made(image_confusion.FIGURE, confusion=confusion().iloc[:0])
