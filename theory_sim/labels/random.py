"""Label functions that chance decides: labels without meaning, as many as meaningful ones may be."""

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from theory_sim.labels.functions import LabelContext, LabelFunction, Samples, by_leaf, register_label_function
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError


def placeholders(name: str, tree: LabelTree, n: int, assign: Callable[[Samples], Int[Tensor, "*n"]]) -> LabelFunction:
    """Label function that ignores the leaf: label j has, in name only, the parent of leaf j mod the number of leaves."""
    leaf = torch.arange(n) % tree.n_leaves
    return LabelFunction(name, n, tree.coarse_of_leaf[leaf], torch.arange(tree.n_leaves) % n, assign, n_splits=n)


def _of_tag(samples: Samples, n: int) -> Int[Tensor, "*n"]:
    """One of n numbers, by the sample's tag, which is uniform on [0, 1)."""
    return (samples.tag * n).long().clamp_(max=n - 1)


@register_label_function("random", "random(labels)")
def _random(tree: LabelTree, context: LabelContext, n: int) -> LabelFunction:
    """Each sample has one of n labels at random, always the same one."""
    if n < 2:
        raise InputError(f"random({n}): at least 2 labels are needed")
    return placeholders(f"random({n})", tree, n, lambda samples: _of_tag(samples, n))


@register_label_function("split", "split(depth, labels)")
def _split(tree: LabelTree, context: LabelContext, depth: int, n: int) -> LabelFunction:
    """As many labels as a finer level may have, and none of its meaning: they are assigned at random."""
    if n < 1:
        raise InputError(f"split({depth}, {n}): at least 1 label is needed")
    whole = by_leaf("", tree, tree.level(depth))
    own = whole.leaf_label * n + torch.arange(tree.n_leaves) % n
    return LabelFunction(
        f"split({depth}, {n})",
        whole.n_classes * n,
        whole.parent.repeat_interleave(n),
        own,
        lambda samples: whole.assign(samples) * n + _of_tag(samples, n),
        n_splits=n,
    )
