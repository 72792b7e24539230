"""Label functions of a finite set of samples: clusters of their embeddings, and a label for each sample."""

import warnings
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.labels.functions import LabelContext, LabelFunction, Samples, most_frequent, place_of, register_label_function
from theory_sim.labels.random import placeholders
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError

_MANY = 10**7
"""Rows × clusters from which full k-means would take minutes."""


@register_label_function("sample-id", "sample-id")
def _sample_id(tree: LabelTree, context: LabelContext) -> LabelFunction:
    """Every sample of a finite training set has its own label."""
    if context.n_samples == 0:
        raise InputError("sample-id needs a finite training set (data.training_samples)")
    if context.leaf is None or context.leaf.dim() > 1:
        return placeholders("sample-id", tree, context.n_samples, lambda samples: samples.index)
    return _of_samples("sample-id", tree, context.leaf, torch.arange(context.n_samples))


@register_label_function("cluster", "cluster(clusters)")
def _cluster(tree: LabelTree, context: LabelContext, n: int) -> LabelFunction:
    """The cluster of a sample among n, by k-means of all samples' embeddings."""
    name = f"cluster({n})"
    return _clusters(name, tree, context, n, n, lambda leaf, rows, seed: _k_means(name, rows, n, seed))


@register_label_function("cluster-within", "cluster-within(clusters of each coarse class)")
def _cluster_within(tree: LabelTree, context: LabelContext, n: int) -> LabelFunction:
    """The cluster of a sample among n in its coarse class, by k-means inside each."""
    name = f"cluster-within({n})"
    if context.leaf is not None and context.leaf.dim() == 1:  # before anything is embedded
        inside = torch.bincount(tree.coarse_of_leaf[context.leaf], minlength=tree.n_coarse)
        _check_clusters(name, n, int(inside.min()), " of the smallest coarse class")

    def partition(leaf: Tensor, rows: Tensor, seed: int) -> Tensor:
        coarse = tree.coarse_of_leaf[leaf]
        label = torch.zeros_like(coarse)
        for y in range(tree.n_coarse):
            inside = coarse == y
            label[inside] = n * y + _k_means(name, rows[inside], n, seed)
        return label

    return _clusters(name, tree, context, n, n * tree.n_coarse, partition)


def _clusters(
    name: str, tree: LabelTree, context: LabelContext, n: int, classes: int, partition: Callable[[Tensor, Tensor, int], Tensor]
) -> LabelFunction:
    """Label function of clusters: of one set of samples, or of one set for each replica, whose clusters are its own."""
    if context.n_samples == 0:
        raise InputError(f"{name} needs a finite set of samples (data.training_samples)")
    _check_clusters(name, n, context.n_samples)
    if context.embedding is not None and context.leaf is not None and context.leaf.dim() == 1:
        return _of_samples(name, tree, context.leaf, partition(context.leaf, context.embedding(), context.seed))
    within, label = classes > n, torch.arange(classes)
    table = None
    if context.embedding is not None and context.leaf is not None:
        sets = enumerate(zip(context.leaf, context.embedding(), strict=True))
        table = torch.stack([partition(leaf, rows, context.seed + r) for r, (leaf, rows) in sets])

    def assign(samples: Samples) -> Int[Tensor, "R B"]:
        if table is None:
            raise InputError(f"{name}: no embeddings were given when it was made (LabelContext.embedding)")
        return table.to(samples.index.device).gather(1, samples.index)

    own = place_of(tree) % n + n * tree.coarse_of_leaf if within else torch.arange(tree.n_leaves) % n
    return LabelFunction(name, classes, label // n if within else label % tree.n_coarse, own, assign, placeholder=True)


def _check_clusters(name: str, n: int, samples: int, of: str = "") -> None:
    if not 1 <= n <= samples:
        raise InputError(f"{name}: the {samples} samples{of} can be divided into 1 to {samples} clusters, not {n}")


def _k_means(name: str, rows: Float[Tensor, "n dim"], n: int, seed: int) -> Int[Tensor, " n"]:
    """Cluster of each row; k-means++ and ten starts, or one pass over minibatches where the rows are many."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    _check_clusters(name, n, len(rows))
    many = len(rows) * n > _MANY
    method = (
        MiniBatchKMeans(n, batch_size=max(4096, n), n_init=1, random_state=seed)
        if many
        else KMeans(n, random_state=seed, n_init=10)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return torch.from_numpy(method.fit_predict(rows.numpy())).long()
        except ConvergenceWarning:
            raise InputError(f"{name}: {n} clusters of {len(rows)} samples, of which fewer than that are different") from None


def _of_samples(name: str, tree: LabelTree, leaf: Int[Tensor, " sample"], label: Int[Tensor, " sample"]) -> LabelFunction:
    """Label function of a finite set of samples, given by its table; labels that do not occur are left out.

    A leaf's own label is the most frequent among its samples (0 where it has none).
    """
    values, label = torch.unique(label, return_inverse=True)
    own = torch.zeros(tree.n_leaves, dtype=torch.long)
    seen, leaf_place = torch.unique(leaf, return_inverse=True)
    own[seen] = most_frequent(leaf_place, label)
    parent = most_frequent(label, tree.coarse_of_leaf[leaf])
    return LabelFunction(name, len(values), parent, own, lambda samples: label.to(samples.index.device)[samples.index])
