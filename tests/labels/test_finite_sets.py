"""Label functions of finite sets: clusters and sample numbers, on samples whose clusters are known; and their edges."""

from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from theory_sim.labels import clusters
from theory_sim.labels.functions import (
    LabelContext,
    label_function,
    most_frequent,
    parsed,
    place_of,
    register_label_function,
)
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError

TREE = LabelTree.of(2, 2)  # leaves 0, 1 of class 0 and 2, 3 of class 1


def near(centers, per_center=20, seed=0):
    """Rows within 0.1 of well separated centres on a line, and the centre of each."""
    generator = torch.Generator().manual_seed(seed)
    at = torch.arange(len(centers)).repeat(per_center)
    noise = 0.1 * torch.rand(len(at), 3, generator=generator)
    return torch.tensor(centers)[at, None] * torch.ones(3) + noise, at


def same_partition(a, b):
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})


def numbered(index):
    """Samples of which only the place in the finite set is looked at."""
    return SimpleNamespace(index=index, labelled_leaf=None, tag=None)


def everything(n):
    return numbered(torch.arange(n))


def test_clusters_are_those_of_the_embedding():
    rows, at = near([0.0, 5.0, 10.0])
    leaf = torch.tensor([0, 1, 3])[at]
    f = label_function("cluster(3)", TREE, context=LabelContext(60, leaf, lambda: rows))
    labels = f.assign(everything(60))
    assert f.n_classes == 3
    assert same_partition(labels, at)
    assert torch.equal(f.parent[labels], TREE.coarse_of_leaf[leaf])
    for own in (0, 1, 3):
        assert f.leaf_label[own] == labels[leaf == own][0]
    assert int(f.leaf_label[2]) == 0, "a leaf without samples"
    assert not f.placeholder
    few = f.assign(numbered(torch.tensor([59, 0, 0])))
    assert few.tolist() == [int(labels[59]), int(labels[0]), int(labels[0])]


def test_a_clusters_class_and_a_leafs_cluster_are_the_most_frequent_ones():
    """One cluster of class 0, 1, 1 and one of class 0, 0, 1; leaf 0 has one sample here and two there."""
    rows = torch.tensor([0.0, 0.1, 0.2, 9.0, 9.1, 9.2])[:, None]
    leaf = torch.tensor([0, 2, 3, 0, 0, 3])
    f = label_function("cluster(2)", TREE, context=LabelContext(6, leaf, lambda: rows))
    labels = f.assign(everything(6))
    assert f.parent[labels].tolist() == [1, 1, 1, 0, 0, 0]
    assert int(f.leaf_label[0]) == int(labels[3])
    assert int(f.leaf_label[2]) == int(labels[0])


def test_clusters_within_classes_cross_none():
    """Both classes share the same two places: only `cluster-within` tells the classes apart."""
    rows, at = near([0.0, 5.0, 0.0, 5.0])
    leaf = torch.tensor([0, 0, 2, 3])[at]
    f = label_function("cluster-within(2)", TREE, context=LabelContext(80, leaf, lambda: rows))
    labels = f.assign(everything(80))
    assert f.n_classes == 4
    assert same_partition(labels, at)
    assert torch.equal(f.parent[labels], TREE.coarse_of_leaf[leaf])
    assert sorted(labels[TREE.coarse_of_leaf[leaf] == 1].unique().tolist()) == [2, 3]
    one = label_function("cluster-within(1)", TREE, context=LabelContext(80, leaf, lambda: rows))
    assert torch.equal(one.assign(everything(80)), TREE.coarse_of_leaf[leaf])


def test_the_seed_decides_and_nothing_else():
    rows = torch.rand(200, 4, generator=torch.Generator().manual_seed(1))
    leaf = torch.arange(200) % 4

    def labels(seed):
        f = label_function("cluster(8)", TREE, context=LabelContext(200, leaf, lambda: rows, seed=seed))
        return f.assign(everything(200))

    assert torch.equal(labels(0), labels(0))
    assert not same_partition(labels(0), labels(1))


def test_each_replica_is_clustered_by_itself():
    """The second replica has its rows in another order, and its labels follow them; seeds are the set's plus the replica's."""
    rows, at = near([0.0, 5.0, 10.0])
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    leaf = torch.tensor([0, 1, 3])[at]
    both = torch.stack([rows, rows[order]])
    context = LabelContext(60, torch.stack([leaf, leaf[order]]), lambda: both, seed=3)
    f = label_function("cluster(3)", TREE, context=context)
    assert f.placeholder
    labels = f.assign(numbered(torch.arange(60).repeat(2, 1)))
    assert same_partition(labels[0], at)
    assert same_partition(labels[1], at[order])
    for r, seed in ((0, 3), (1, 4)):
        alone = label_function("cluster(3)", TREE, context=LabelContext(60, context.leaf[r], lambda r=r: both[r], seed=seed))
        assert torch.equal(labels[r], alone.assign(everything(60)))


def test_before_there_are_samples_clusters_stand_for_leaves_in_name_only():
    f = label_function("cluster(3)", TREE, 50)
    assert (f.n_classes, f.placeholder) == (3, True)
    assert f.parent.tolist() == [0, 1, 0]
    assert f.leaf_label.tolist() == [0, 1, 2, 0]
    within = label_function("cluster-within(3)", LabelTree.of(2, [4, 2]), 50)
    assert within.n_classes == 6
    assert within.parent.tolist() == [0, 0, 0, 1, 1, 1]
    assert within.leaf_label.tolist() == [0, 1, 2, 0, 3, 4]
    with pytest.raises(InputError, match=r"^cluster\(3\): no embeddings were given when it was made"):
        f.assign(everything(50))


def test_many_rows_are_clustered_in_one_pass(monkeypatch):
    """Well separated centres are found by minibatches too, to a few rows."""
    monkeypatch.setattr(clusters, "_MANY", 100)
    rows, at = near([0.0, 50.0], per_center=100)
    labels = label_function("cluster(2)", TREE, context=LabelContext(200, at, lambda: rows)).assign(everything(200))
    assert same_partition(labels, at)


@pytest.mark.parametrize("n", [1, 4])
def test_from_one_cluster_to_as_many_as_samples(n):
    rows, leaf = torch.arange(4.0)[:, None], torch.arange(4)
    f = label_function(f"cluster({n})", TREE, context=LabelContext(4, leaf, lambda: rows))
    assert len(f.assign(everything(4)).unique()) == n


@pytest.mark.parametrize(
    ("text", "context", "message"),
    [
        ("cluster(0)", LabelContext(4), r"cluster\(0\): the 4 samples can be divided into 1 to 4 clusters, not 0$"),
        ("cluster(5)", LabelContext(4), r"cluster\(5\): the 4 samples can be divided into 1 to 4 clusters, not 5$"),
        ("cluster(2)", LabelContext(0), r"cluster\(2\) needs a finite set of samples"),
        (
            "cluster-within(3)",
            LabelContext(4, torch.arange(4), lambda: torch.rand(4, 2)),
            r"cluster-within\(3\): the 2 samples of the smallest coarse class can be divided into 1 to 2 clusters, not 3$",
        ),
        (
            "cluster(3)",
            LabelContext(4, torch.arange(4), lambda: torch.tensor([[0.0], [0.0], [1.0], [1.0]])),
            r"cluster\(3\): 3 clusters of 4 samples, of which fewer than that are different",
        ),
        ("sample-id", LabelContext(0), "sample-id needs a finite training set"),
        ("group(colour)", LabelContext(), r"group\(colour\): this data set has none"),
        ("group(colour)", LabelContext(groups={"size": torch.zeros(4).long()}), "has the groups size"),
        ("random(1)", LabelContext(), r"random\(1\): at least 2 labels"),
        ("split(1, 0)", LabelContext(), r"split\(1, 0\): at least 1 label"),
        ("mixed(1)", LabelContext(), r"mixed\(1\): expected a depth for each of the 2 coarse classes, got 1"),
        ("aligned(3)", LabelContext(), r"aligned\(3\): there can be 1 to 2 groups"),
        ("misaligned(3)", LabelContext(), r"misaligned\(3\): there can be 2 to 2 groups"),
        ("level(two)", LabelContext(), r"label function 'level\(two\)': expected level\(depth\), with depth a whole number"),
        ("group(2)", LabelContext(), r"label function 'group\(2\)': expected group\(name\), with name a name"),
        ("mixed(1, x)", LabelContext(), "with depths a whole number"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(text, context, message):
    with pytest.raises(InputError, match=message) as error:
        label_function(text, TREE, context=context)
    assert "\n" not in str(error.value)


def test_sample_numbers_of_a_known_set():
    leaf = torch.tensor([3, 0, 2])
    f = label_function("sample-id", TREE, context=LabelContext(3, leaf))
    assert f.n_classes == 3
    assert f.assign(numbered(torch.tensor([2, 0]))).tolist() == [2, 0]
    assert f.parent.tolist() == [1, 0, 1]
    assert f.leaf_label.tolist() == [1, 0, 2, 0]
    of_replicas = label_function("sample-id", TREE, context=LabelContext(3, torch.stack([leaf, leaf])))
    assert of_replicas.parent.tolist() == [0, 0, 1], "in name only: sample j has the label of leaf j"


def test_groups_of_a_data_set():
    context = LabelContext(groups={"size": torch.tensor([7, 2, 7, 7])})
    f = label_function("group(size)", TREE, context=context)
    assert f.n_classes == 2
    assert f.leaf_label.tolist() == [1, 0, 1, 1]
    assert f.parent.tolist() == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from([0.5, 1.0, 2.0])), min_size=1, max_size=12))
def test_the_most_frequent_class_is_counted(rows):
    """Against a count of its own; weights are powers of two, so that ties are ties."""
    present = sorted({label for label, _, _ in rows})
    label = torch.tensor([present.index(row[0]) for row in rows])
    coarse = torch.tensor([row[1] for row in rows])
    weight = torch.tensor([row[2] for row in rows])
    for given_weight in (None, weight):
        counts = [Counter() for _ in present]
        for j, y, w in zip(label.tolist(), coarse.tolist(), weight.tolist(), strict=True):
            counts[j][y] += 1 if given_weight is None else w
        expected = [min(y for y in count if count[y] == max(count.values())) for count in counts]
        assert most_frequent(label, coarse, given_weight).tolist() == expected


def test_places_are_counted_within_each_class():
    assert place_of(LabelTree.of(3, [2, 3, 1])).tolist() == [0, 1, 0, 1, 2, 0]


@pytest.mark.parametrize("n", [2, 3, 7])
def test_chance_labels_are_tags_in_equal_parts(n):
    """Label j is for tags in [j / n, (j + 1) / n); a tag that rounds up to 1 has the last label."""
    tag = torch.cat([torch.arange(0, 1, 1 / 64), torch.tensor([1.0])])
    samples = SimpleNamespace(tag=tag, labelled_leaf=torch.full(tag.shape, 3), index=None)
    expected = [min(int(t * n), n - 1) for t in tag.tolist()]
    f = label_function(f"random({n})", TREE)
    assert f.assign(samples).tolist() == expected
    assert f.n_splits == f.n_classes == n
    split = label_function(f"split(1, {n})", TREE)
    assert split.assign(samples).tolist() == [n + j for j in expected]
    assert (split.n_classes, split.n_splits) == (2 * n, n)
    assert split.parent.tolist() == [0] * n + [1] * n
    assert (split.leaf_label // n).tolist() == [0, 0, 1, 1]
    finest = label_function(f"split(2, {n})", TREE)
    assert finest.assign(samples).tolist() == [3 * n + j for j in expected]
    assert (finest.leaf_label // n).tolist() == [0, 1, 2, 3]


def test_labels_in_name_only_stand_for_the_leaves_in_turn():
    f = label_function("random(6)", LabelTree.of(2, [1, 3]))
    assert f.parent.tolist() == [0, 1, 1, 1, 0, 1]
    assert f.leaf_label.tolist() == [0, 1, 2, 3]
    assert label_function("random(3)", LabelTree.of(2, [1, 3])).leaf_label.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("leaf", ("leaf", ())),
        (" split ( 2 , 8 ) ", ("split", (2, 8))),
        ("group(my_name)", ("group", ("my_name",))),
        ("cluster-within(3)", ("cluster-within", (3,))),
        ("level()", ("level", ())),
        ("mixed(1,2)", ("mixed", (1, 2))),
        ("mixed(1,02)", ("mixed", (1, "02"))),  # no form of a number: YAML's versions read it differently
    ],
)
def test_texts_of_label_functions(text, expected):
    assert parsed(text) == expected


@pytest.mark.parametrize("name", ["", "Odd", "odd_even", "-odd", "odd-", "odd--even", "odd2"])
def test_names_are_of_lower_case_letters_and_hyphens(name):
    with pytest.raises(InputError, match="lower-case letters and hyphens"):
        register_label_function(name)
