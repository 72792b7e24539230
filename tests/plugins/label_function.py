"""A label function of one's own: the parity of a subclass inside its coarse class."""

import theory_sim as ts


@ts.register_label_function("odd-even")
def odd_even(tree: ts.LabelTree, context: ts.LabelContext) -> ts.LabelFunction:
    """Two labels in every coarse class."""
    return ts.by_leaf("odd-even", tree, 2 * tree.coarse_of_leaf + ts.place_of(tree) % 2)
