"""ImageNet-21k's levels: the package's own count, and the paper's accuracies marked by how sure they are."""

import numpy as np
import pytest
from drawn import line
from matplotlib.colors import same_color

from theory_sim.config import Config
from theory_sim.figures import Inputs, imagenet21k_levels


@pytest.fixture(scope="module")
def table():
    return imagenet21k_levels.compute(Config(), Inputs())


def test_the_counts_are_those_of_the_hierarchy(table):
    assert table.classes.tolist() == [21843, 5995, 2281, 1038, 519, 285, 160, 92, 58, 38]
    assert table.classes_with_several.tolist() == [0, 453, 1560, 2676, 3999, 4914, 5324, 5226, 4584, 3361]


def test_only_what_the_paper_is_sure_to_say_is_marked_as_its(table):
    accuracy = table.set_index("level").accuracy.dropna()
    assert accuracy.index.tolist() == [0, 1, 2, 4, 6, 9]
    assert table[table.source == "paper"].level.tolist() == [0, 6, 9]


def test_the_panels_show_the_table(table):
    classes, accuracy = imagenet21k_levels.FIGURE.paint(table).axes
    np.testing.assert_array_equal(line(classes, "labels").get_ydata(), table.classes)
    assert {text.get_text() for text in classes.texts} == {str(n) for n in table.classes}
    known = table.dropna(subset="accuracy")
    np.testing.assert_array_equal(line(accuracy, "accuracy").get_xydata(), known[["classes", "accuracy"]])
    assert same_color(line(accuracy, "recalled").get_markerfacecolor(), "white")
    assert not same_color(line(accuracy, "paper").get_markerfacecolor(), "white")
    assert line(accuracy, "baseline").get_ydata()[0] == table.baseline[0]
