"""Hypothesis strategies of label trees."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from theory_sim.labels.tree import LabelTree


def subclasses(max_children: int = 4, max_depth: int = 3) -> st.SearchStrategy[Any]:
    """Values of ``tree.subclasses`` below one coarse class: a number, or a list (a deeper tree).

    Args:
        max_children: most children of a node.
        max_depth: most levels below the root, the coarse classes being the first.
    """
    number = st.integers(1, max_children)
    if max_depth <= 2:
        return number
    inner = subclasses(max_children, max_depth - 1) | st.just(0)
    return number | st.lists(inner, min_size=1, max_size=max_children)


@st.composite
def tree_sections(draw: Callable[..., Any], max_coarse: int = 4, max_children: int = 4, max_depth: int = 3) -> dict[str, Any]:
    """Values of the configuration's ``tree`` section: equal or unequal numbers of subclasses, flat or deep."""
    coarse = draw(st.integers(2, max_coarse))
    below = subclasses(max_children, max_depth)
    equal = st.integers(1, max_children)
    unequal = st.lists(below, min_size=coarse, max_size=coarse)
    return {"coarse": coarse, "subclasses": draw(equal | unequal), "tail": draw(st.just(0.0) | st.floats(0.1, 2))}


@st.composite
def trees(draw: Callable[..., Any], max_coarse: int = 4, max_children: int = 4, max_depth: int = 3) -> LabelTree:
    """Label trees."""
    return LabelTree.of(**draw(tree_sections(max_coarse, max_children, max_depth)))
