"""Label trees."""

from itertools import pairwise

import pytest
from hypothesis import given

from theory_sim import testing
from theory_sim.labels.tree import ROOT, LabelTree
from theory_sim.runtime.errors import InputError


def test_the_paper_s_tree():
    tree = LabelTree.of(2, 3)
    assert tree.parent == (ROOT, ROOT, 0, 0, 0, 1, 1, 1)
    assert (tree.n_coarse, tree.n_leaves, tree.n_nodes, tree.depth) == (2, 6, 8, 2)
    assert tree.leaves == (2, 3, 4, 5, 6, 7)
    assert tree.paths.tolist() == [[0, 2], [0, 3], [0, 4], [1, 5], [1, 6], [1, 7]]
    assert tree.names == ("1", "2", "1,1", "1,2", "1,3", "2,1", "2,2", "2,3")


def test_an_unequal_deeper_tree():
    tree = LabelTree.of(2, [[2, 0], 1])
    assert tree.parent == (ROOT, ROOT, 0, 0, 1, 2, 2)
    assert tree.paths.tolist() == [[0, 3, -1], [1, 4, -1], [0, 2, 5], [0, 2, 6]]
    assert tree.leaf_probability == (0.25, 0.5, 0.125, 0.125)
    assert tree.level(2).tolist() == [3, 4, 2, 2]


def test_a_long_tail_leaves_the_coarse_classes_balanced():
    # Shares 1, 1/2, 1/3 of 11/6.
    tree = LabelTree.of(2, 3, tail=1)
    assert tree.leaf_probability == pytest.approx([3 / 11, 3 / 22, 1 / 11] * 2)
    deeper = LabelTree.of(2, [[2, 0], 1], tail=2)
    assert deeper.leaf_probability == pytest.approx((0.1, 0.5, 0.32, 0.08))


@given(testing.trees())
def test_structure(tree):
    assert sum(tree.leaf_probability) == pytest.approx(1)
    assert len(set(tree.names)) == tree.n_nodes
    by_class = [0.0] * tree.n_coarse
    for leaf, y, p in zip(tree.leaves, tree.coarse_of_leaf.tolist(), tree.leaf_probability, strict=True):
        path = tree.ancestors(leaf)
        assert path[0] == y < tree.n_coarse
        assert path[-1] == leaf
        assert all(tree.parent[child] == parent for parent, child in pairwise(path))
        by_class[y] += p
    assert by_class == pytest.approx([1 / tree.n_coarse] * tree.n_coarse)
    for depth in range(1, tree.depth + 1):
        assert tree.level(depth).tolist() == [tree.ancestors(leaf)[:depth][-1] for leaf in tree.leaves]


@pytest.mark.parametrize("parent", [(ROOT, ROOT, 2), (ROOT,), (ROOT, 0, ROOT), (ROOT, ROOT, -2)])
def test_malformed_trees_are_refused(parent):
    with pytest.raises(InputError, match="label tree"):
        LabelTree(parent)
