"""The data model: an easy sample and the same sample made hard, as patches × features, beside the label tree."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MultipleLocator

from theory_sim.config import Config, TreeSettings
from theory_sim.data.latents import DOMINANT_NOISE
from theory_sim.data.law import described
from theory_sim.data.sampler import Draws, PatchSampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped, rows
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.streams import streams

_TREE = TreeSettings(coarse=2, subclasses=3)

HOLDS = {
    "common feature": ("c", "common", True),
    "rare feature": ("r", "rare", True),
    "feature noise": ("f", "common", False),
    "dominant noise": ("d", "noise", True),
    "noise": ("", "noise", False),
}
"""The possible contents of a patch, with their letter in the strip, the role of their colour, and whether they are filled."""
_TITLES = {"easy": "easy sample of leaf $(y, c)$ = ({})", "hard": "the same sample made hard"}


def needs(config: Config) -> Needs:
    """Nothing: the figure needs no training."""
    return Needs()


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """One sample, easy and hard, with the configuration's data, noise and seeds, and a tree of 2 × 3 classes.

    Returns:
        One row per sample, patch and feature, with the features in the order of the tree's branches. Columns ``sample``,
        ``leaf``, ``patch`` (from 1), ``holds`` (of `HOLDS`), ``strength`` (its α), ``feature``, ``correlation``.
    """
    small = Config(tree=_TREE, data=config.data, hard=config.hard, seed=config.seed, seeds=config.seeds)
    tree, dictionary = small.label_tree, make_dictionary(small, torch.device("cpu"))
    sampler = PatchSampler(described(law_of(small), "figure data_model"), dictionary)
    draws = sampler.draw(streams(small.seed_of("data"), "test easy", small.replicas), 1)
    features = sorted(range(tree.n_nodes), key=tree.ancestors)
    found: list[dict[str, Any]] = []
    for name, hard_share in (("easy", 0.0), ("hard", 1.0)):
        # Assembling overwrites the raw numbers, and both samples use the same ones.
        sample = sampler.assemble(Draws(draws.uniform, draws.normal.clone()), hard_share)
        correlation = dictionary.correlation(sample.x)[0, 0]
        leaf = tree.leaves[int(sample.leaf[0, 0])]
        for patch, content in enumerate(sample.content[0, 0].tolist()):
            of_patch = {
                "sample": name,
                "leaf": tree.names[leaf],
                "patch": patch + 1,
                "holds": _holds(tree, leaf, content),
                "strength": float(sample.strength[0, 0, patch]),
            }
            found.extend(of_patch | {"feature": tree.names[f], "correlation": float(correlation[patch, f])} for f in features)
    return pd.DataFrame(found)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw two heat maps with their strips and trees, one colour scale and one legend."""
    top = float(np.ceil(10 * table.correlation.abs().max()) / 10)
    for name, sample in grouped(table, "sample"):
        features = list(sample.feature.unique())
        ax = axes[name]
        sns.heatmap(
            sample.pivot(index="feature", columns="patch", values="correlation").loc[features],
            ax=ax,
            cmap=style.SIGNED,
            vmin=-top,
            vmax=top,
            linewidths=0.4,
            linecolor="0.9",
            cbar=name == "hard",
            cbar_ax=axes["scale"],
            cbar_kws={"label": r"correlation $\langle x_p, v\rangle$", "ticks": MultipleLocator(0.5)},
        )
        _strip(ax, sample.drop_duplicates("patch"))
        ax.set_title(_TITLES[name].format(sample.leaf.iloc[0].replace(",", ", ")))
        _labels(ax, features, int(sample.patch.max()))
        _tree(axes[f"{name} tree"], features, sample.leaf.iloc[0], ax.get_ylim())
    axes["easy tree"].set_title("label tree", loc="center")
    axes["easy"].set_xlabel("")
    axes["easy"].set_xticklabels([])
    entries: dict[str, style.Mark] = {
        f"{letter}: {kind}" if letter else f"{kind} only": Rectangle((0, 0), 1, 1, linewidth=0.8, **_look(kind))
        for kind, (letter, *_) in HOLDS.items()
    }
    style.legend(axes["easy"], entries, ncols=len(entries), handlelength=1, handleheight=1, columnspacing=2)


def _holds(tree: LabelTree, leaf: int, content: int) -> str:
    """The content of a patch in a sample of the leaf, in words."""
    if content < 0:
        return "dominant noise" if content == DOMINANT_NOISE else "noise"
    if content not in tree.ancestors(leaf):
        return "feature noise"
    return "common feature" if content < tree.n_coarse else "rare feature"


def _look(holds: str) -> dict[str, Any]:
    """The look of a patch's box in the strip."""
    _, role, filled = HOLDS[holds]
    return {"facecolor": style.PALETTE[role] if filled else "white", "edgecolor": style.PALETTE[role]}


def _strip(ax: Axes, patches: pd.DataFrame) -> None:
    """Draw a row of boxes above the heat map, one per patch."""
    for patch in rows(patches):
        letter, look = HOLDS[patch.holds][0], _look(patch.holds)
        ax.add_patch(Rectangle((patch.patch - 0.92, -1.05), 0.84, 0.84, linewidth=0.8, label=patch.holds, **look))
        dark = look["facecolor"] != "white"
        ink = "white" if dark else look["edgecolor"]
        ax.text(patch.patch - 0.5, -0.62, letter, color=ink, ha="center", va="center", fontsize=7, weight="bold")
    ax.annotate("holds", (0, -0.62), (-3, 0), "data", "offset points", ha="right", va="center", fontsize=7)
    ax.set_ylim(ax.get_ylim()[0], -1.15)


def _labels(ax: Axes, features: Sequence[str], patches: int) -> None:
    """Label the features at the left, in the colours of their roles, and number the patches below."""
    ax.set_yticks(np.arange(len(features)) + 0.5, [f"$v_{{{f}}}$" for f in features], rotation=0)
    for label, feature in zip(ax.get_yticklabels(), features, strict=True):
        label.set_color(_role_color(feature))
    numbers = [1, *range(5, patches + 1, 5)]
    ax.set_xticks([n - 0.5 for n in numbers], [str(n) for n in numbers], rotation=0)
    ax.tick_params(length=0)
    ax.set_xlabel("patch $p$")
    ax.set_ylabel("")


def _tree(ax: Axes, features: Sequence[str], leaf: str, ylim: tuple[float, float]) -> None:
    """Draw the label tree from left to right, each node at the height of its feature's row."""
    y = {feature: row + 0.5 for row, feature in enumerate(features)}
    above = _ancestors()
    coarse = [feature for feature in features if _is_coarse(feature)]
    root = sum(y[feature] for feature in coarse) / len(coarse)
    for feature in features:
        depth, parent = len(above[feature]), above[feature][-2:-1]
        on_path = feature in above[leaf]
        ax.plot(
            [depth - 1, depth - 1, depth],
            [y[parent[0]] if parent else root, y[feature], y[feature]],
            color="black" if on_path else style.PALETTE["noise"],
            linewidth=1.2 if on_path else 0.7,
            zorder=2 if on_path else 1,
        )
        color = _role_color(feature)
        ax.plot(depth, y[feature], "o", color=color if on_path else "white", markeredgecolor=color, markersize=5, label=feature)
    ax.plot(0, root, "o", color="black", markersize=4)
    ax.set_xlim(-0.3, 2.3)
    ax.set_ylim(ylim)
    ax.set_axis_off()


@cache
def _ancestors() -> dict[str, list[str]]:
    """The path from the coarse class to each node, by name."""
    tree = Config(tree=_TREE).label_tree
    return {name: [tree.names[above] for above in tree.ancestors(node)] for node, name in enumerate(tree.names)}


def _is_coarse(feature: str) -> bool:
    return len(_ancestors()[feature]) == 1


def _role_color(feature: str) -> str:
    return style.PALETTE["common" if _is_coarse(feature) else "rare"]


FIGURE = register(
    Figure(
        "data_model",
        "The data model: an easy sample and the same sample made hard, as patches × features, beside the label tree.",
        caption=(
            "One sample of the data model, easy (top), and made hard with the same random numbers (bottom): correlation of"
            " each patch with each feature, with the patches in their random order. The strip above shows the content of each"
            " patch. Left: the label tree, with one node per feature and the sample's path filled. The hard sample has no"
            " common feature; it has weak common features of another class and a patch of dominant noise instead, so that only"
            " the rare feature identifies its class. The tree has 2 × 3 classes."
        ),
        size=(style.PAGE, 3.9),
        layout={
            "mosaic": [["easy tree", "easy", "scale"], ["hard tree", "hard", "scale"]],
            "width_ratios": [9, 60, 1],
        },
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
