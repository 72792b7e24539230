"""Label functions that look at the leaf alone: levels of the tree, groups of leaves, partitions that a data set brings."""

from dataclasses import replace

import torch

from theory_sim.labels.functions import LabelContext, LabelFunction, by_leaf, place_of, register_label_function
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError


@register_label_function("level", "level(depth)")
def _level(tree: LabelTree, context: LabelContext, depth: int) -> LabelFunction:
    """The ancestor at a depth of the label tree; 1: the coarse class."""
    return by_leaf(f"level({depth})", tree, tree.level(depth))


@register_label_function("leaf", "leaf")
def _leaf(tree: LabelTree, context: LabelContext) -> LabelFunction:
    """The leaf itself."""
    return by_leaf("leaf", tree, torch.arange(tree.n_leaves))


@register_label_function("mixed", "mixed(depth of class 1, depth of class 2, ...)")
def _mixed(tree: LabelTree, context: LabelContext, *depths: int) -> LabelFunction:
    """The ancestor at a depth of its own for each coarse class."""
    name = f"mixed({', '.join(map(str, depths))})"
    if len(depths) != tree.n_coarse:
        raise InputError(f"{name}: expected a depth for each of the {tree.n_coarse} coarse classes, got {len(depths)}")
    levels = torch.stack([tree.level(depth) for depth in depths])
    return by_leaf(name, tree, levels[tree.coarse_of_leaf, torch.arange(tree.n_leaves)])


@register_label_function("aligned", "aligned(groups)")
def _aligned(tree: LabelTree, context: LabelContext, n: int) -> LabelFunction:
    """Leaf j of a coarse class joins its group j mod n: the groups of `misaligned`, but inside the coarse classes."""
    fewest = int(torch.bincount(tree.coarse_of_leaf).min())
    if not 1 <= n <= fewest:
        raise InputError(f"aligned({n}): there can be 1 to {fewest} groups, as many as the smallest coarse class has leaves")
    return by_leaf(f"aligned({n})", tree, tree.coarse_of_leaf * n + place_of(tree) % n)


@register_label_function("misaligned", "misaligned(groups)")
def _misaligned(tree: LabelTree, context: LabelContext, n: int) -> LabelFunction:
    """Leaf j of every coarse class joins group j mod n: as far as the numbers allow, each group holds all classes."""
    place = place_of(tree)
    if not 2 <= n <= int(place.max()) + 1:
        most = int(place.max()) + 1
        raise InputError(f"misaligned({n}): there can be 2 to {most} groups, as many as the largest coarse class has leaves")
    function = by_leaf(f"misaligned({n})", tree, place % n)
    mass = torch.zeros(n, tree.n_coarse, dtype=torch.float64)
    probability = torch.tensor(tree.leaf_probability, dtype=torch.float64)
    mass.index_put_((function.leaf_label, tree.coarse_of_leaf), probability, accumulate=True)
    # Where several classes are equally frequent each label takes another one, so that no class is left without a head.
    tied = mass > mass.amax(1, keepdim=True) - 1e-9
    turn = (torch.arange(tree.n_coarse) - torch.arange(n)[:, None]) % tree.n_coarse
    return replace(function, parent=torch.where(tied, turn, tree.n_coarse).argmin(1))


@register_label_function("group", "group(name)")
def _group(tree: LabelTree, context: LabelContext, name: str) -> LabelFunction:
    """A further partition of the leaves, which the image data set brings."""
    if name not in context.groups:
        raise InputError(
            f"group({name}): this data set has " + (f"the groups {', '.join(context.groups)}" if context.groups else "none")
        )
    return by_leaf(f"group({name})", tree, context.groups[name])
