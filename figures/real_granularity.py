"""Label granularity on real images: error against the number of pretraining classes, one curve per kind of labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from theory_sim.config import Config
from theory_sim.figures import Needs, style
from theory_sim.runs.results import Results

NAME = "real_granularity"
CAPTION = (
    "Error on the coarse target after pretraining on labels of a kind and full finetuning, against the number of pretraining"
    " classes, for all test images (left) and for hard ones, those that coarse baselines of other seeds misclassify (right):"
    " scikit-learn's digits, target: has a closed loop or not. Markers are means over seeds with their 95 % intervals, kinds"
    " moved apart a little; the dashed line is the baseline, trained on the coarse labels for as many steps in all."
)
SIZE = (style.PAGE, 3.0)
LAYOUT: dict[str, Any] = {"mosaic": [["all", "hard-misclassified"]]}

STUDY = "digits"
_TITLES = {"all": "all test images", "hard-misclassified": "hard test images"}
_ROLE = {"level": "fine", "leaf": "fine", "mixed": "fine", "cluster-within": "fine"}
_ROLE |= {"cluster": "coarse", "misaligned": "coarse", "group": "coarse"}
"""Labels inside the coarse classes, and such as may lie across them; all else says nothing of the images."""
_MARKERS = {"level": "o", "leaf": "o", "mixed": "D", "cluster-within": "^", "cluster": "v", "misaligned": "X", "group": "P"}
_MARKERS |= {"random": "s", "sample-id": "*"}


def needs(config: Config) -> Needs:
    """The results of ``theory-sim pretrain configs/digits.yaml``."""
    return Needs(image_studies=[STUDY])


def compute(config: Config, results: Sequence[Results], studies: Sequence[pd.DataFrame] = ()) -> pd.DataFrame:
    """Errors after full finetuning of the most steps.

    Returns:
        Columns ``samples``, ``kind``, ``label_function``, ``classes``, ``seeds``, ``transfer_steps``, ``error``, ``low``,
        ``high``, ``baseline_error``.
    """
    (study,) = studies
    kept = study[(study.transfer == "finetune") & study.samples.isin(LAYOUT["mosaic"][0]) & (study.kind != "baseline")]
    kept = kept[kept.transfer_steps == kept.transfer_steps.max()]
    columns = [
        "samples",
        "kind",
        "label_function",
        "classes",
        "seeds",
        "transfer_steps",
        "error",
        "low",
        "high",
        "baseline_error",
    ]
    return kept[columns].sort_values(["samples", "kind", "classes"], kind="stable").reset_index(drop=True)


def draw(table: pd.DataFrame, axes: Mapping[str, Axes]) -> None:
    """A panel per kind of images, and one legend."""
    # The leaves are the tree's finest level.
    series = table.assign(series=table.kind.replace({"leaf": "level"}), value=table.error)
    kinds = list(dict.fromkeys(sorted(series.series, key=list(_MARKERS).index)))
    for samples, ax in axes.items():
        for place, kind in enumerate(kinds):
            own = series[(series.samples == samples) & (series.series == kind)].sort_values("classes")
            # On a logarithmic axis the same factor is the same distance.
            own = own.assign(at=own.classes * 1.035 ** (place - (len(kinds) - 1) / 2))
            color = style.PALETTE[_ROLE.get(kind, "noise")]
            style.estimates(ax, own, "at", color, marker=_MARKERS[kind], linestyle="-", linewidth=0.8, label=kind)
        baseline = table.baseline_error[table.samples == samples].iloc[0]
        ax.axhline(baseline, color=style.PALETTE["coarse"], linestyle=(0, (3, 2)), linewidth=1, zorder=1, label="baseline")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_ylim(bottom=0)
        ax.set_xlabel("pretraining classes")
        ax.set_title(_TITLES[samples])
    axes["all"].set_ylabel("error on the coarse target")
    handles, labels = axes["all"].get_legend_handles_labels()
    axes["all"].figure.legend(handles, labels, loc="outside lower center", ncols=4)
