"""Label functions and their alignment with the coarse target."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given

from theory_sim import testing
from theory_sim.labels.alignment import alignment
from theory_sim.labels.functions import kind_of, label_function
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError

TREE = LabelTree.of(2, [3, [2, 1]])  # leaves 1,1 1,2 1,3 2,1,1 2,1,2 2,2,1


def samples(n=600, seed=0):
    generator = torch.Generator().manual_seed(seed)
    leaf = torch.randint(TREE.n_leaves, (n,), generator=generator)
    return SimpleNamespace(labelled_leaf=leaf, tag=torch.rand(n, generator=generator), index=torch.arange(n))


@given(testing.trees())
def test_a_level_is_the_ancestor(tree):
    for depth in range(1, tree.depth + 1):
        f = label_function(f"level({depth})", tree)
        at = tree.level(depth)
        assert f.n_classes == len(at.unique())
        for a in range(tree.n_leaves):
            assert int(f.parent[f.leaf_label[a]]) == int(tree.coarse_of_leaf[a])
            for b in range(tree.n_leaves):
                assert (f.leaf_label[a] == f.leaf_label[b]) == (at[a] == at[b])
    assert label_function("leaf", tree).leaf_label.tolist() == list(range(tree.n_leaves))
    assert label_function("level(1)", tree).leaf_label.tolist() == tree.coarse_of_leaf.tolist()


def test_mixed_levels():
    f = label_function("mixed(1, 3)", TREE)
    assert f.n_classes == 4
    assert f.leaf_label.tolist().count(int(f.leaf_label[0])) == 3
    assert sorted(f.parent.tolist()) == [0, 1, 1, 1]


def test_random_labels_are_balanced_fixed_and_say_nothing():
    f, s = label_function("random(4)", TREE), samples(20000)
    labels = f.assign(s)
    assert torch.equal(labels, f.assign(s))
    counts = torch.bincount(labels, minlength=4)
    assert counts.sum() == 20000
    assert ((counts - 5000).abs() < 5 * (20000 * 3 / 16) ** 0.5).all()
    report = alignment(labels, TREE.coarse_of_leaf[s.labelled_leaf])
    assert report.inside == 0
    assert abs(report.adjusted_mutual_information) < 0.01
    assert abs(report.purity - 0.5) < 0.05


def test_misaligned_groups_cut_across_the_classes():
    f = label_function("misaligned(3)", LabelTree.of(2, 6))
    for group in range(3):
        classes = LabelTree.of(2, 6).coarse_of_leaf[f.leaf_label == group]
        assert sorted(classes.tolist()) == [0, 0, 1, 1]


def test_splits_are_balanced_fixed_and_inside_their_ancestor():
    tree = LabelTree.of(2, 6)
    leaf = torch.arange(12).repeat(2000)
    s = SimpleNamespace(labelled_leaf=leaf, tag=torch.rand(len(leaf), generator=torch.Generator().manual_seed(0)), index=None)
    f = label_function("split(1, 6)", tree)
    labels = f.assign(s)
    assert torch.equal(labels, f.assign(s))
    assert f.n_classes == 12
    assert torch.equal(f.parent[labels], tree.coarse_of_leaf[leaf])
    table = torch.zeros(12, 12, dtype=torch.float64).index_put_((leaf, labels), torch.ones((), dtype=torch.float64), True)
    # Each leaf's 2000 samples fall evenly on the six labels of its class: within five standard deviations.
    assert ((table - 2000 * f.probability()).abs() < 5 * (2000 / 6 * 5 / 6) ** 0.5).all()
    assert torch.equal(label_function("split(2, 1)", tree).assign(s), label_function("leaf", tree).assign(s))
    over = label_function("split(2, 3)", tree)
    assert torch.equal(over.assign(s) // 3, leaf)


@given(testing.trees())
def test_probability_of_labels(tree):
    for text in ("level(1)", "leaf", "random(3)", "split(1, 2)", "aligned(1)", "sample-id"):
        f = label_function(text, tree, 5)
        p = f.probability()
        assert p.shape == (tree.n_leaves, f.n_classes)
        assert torch.allclose(p.sum(1), torch.ones(1, dtype=torch.float64))
        assert (p[torch.arange(tree.n_leaves), f.leaf_label] > 0).all()


def test_misaligned_groups_stand_for_their_most_frequent_class_and_for_all_classes_in_turn_where_there_is_none():
    assert label_function("misaligned(4)", LabelTree.of(2, 8)).parent.tolist() == [0, 1, 0, 1]
    assert label_function("misaligned(3)", LabelTree.of(3, 3)).parent.tolist() == [0, 1, 2]
    # Subclasses 1 and 3 of the second class join group 1, and 1 alone of the first: 1/4 of its samples against 1/2.
    unequal = LabelTree((-1, -1, 0, 0, 0, 0, 1, 1))
    assert label_function("misaligned(2)", unequal).parent.tolist() == [0, 1]
    assert label_function("misaligned(4)", unequal).parent.tolist() == [1, 1, 0, 0]


def test_aligned_groups_are_those_of_misaligned_ones_inside_the_classes():
    tree = LabelTree.of(2, 6)
    aligned, misaligned = label_function("aligned(3)", tree), label_function("misaligned(6)", tree)
    assert aligned.n_classes == misaligned.n_classes == 6
    assert torch.bincount(aligned.leaf_label).tolist() == torch.bincount(misaligned.leaf_label).tolist() == [2] * 6
    assert torch.equal(aligned.parent[aligned.leaf_label], tree.coarse_of_leaf)


def test_sample_id():
    f, s = label_function("sample-id", TREE, 600), samples()
    assert f.n_classes == 600
    assert torch.equal(f.assign(s), s.index)


def test_alignment_of_the_hierarchy():
    s = samples()
    coarse = TREE.coarse_of_leaf[s.labelled_leaf]
    same = alignment(coarse, coarse)
    assert (same.n_classes, same.inside, same.purity, same.adjusted_mutual_information) == (2, 1, 1, pytest.approx(1))
    leaves = alignment(s.labelled_leaf, coarse)
    assert (leaves.n_classes, leaves.inside, leaves.purity, leaves.samples_per_class) == (6, 1, 1, 100)
    assert 0.1 < leaves.adjusted_mutual_information < 0.9


def test_alignment_counts_by_hand():
    report = alignment(torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 1, 1, 0]))
    assert (report.n_classes, report.samples_per_class, report.inside, report.purity) == (3, 2, 2 / 3, 5 / 6)


@pytest.mark.parametrize(
    "text",
    [
        "level(0)",
        "level(4)",
        "level(1,2)",
        "mixed(1)",
        "random(1)",
        "misaligned(9)",
        "leaf(2)",
        "split(2)",
        "split(1, 0)",
        "split(9, 2)",
        "aligned(4)",
        "aligned(0)",
        "Level(1)",
        "x y",
        "",
    ],
)
def test_wrong_names_and_arguments_are_refused(text):
    with pytest.raises(InputError):
        label_function(text, TREE)


def test_the_kind_of_a_label_function_is_its_registered_name() -> None:
    assert [kind_of(text) for text in ("leaf", "split(2, 8)", " sample-id ")] == ["leaf", "split", "sample-id"]
    with pytest.raises(InputError, match="label function '2 levels': expected a name"):
        kind_of("2 levels")
