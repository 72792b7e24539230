"""Label granularity on real images: error against the number of pretraining classes, by kind of labels."""

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register

STUDY = "digits"
_TITLES = {"all": "all test images", "hard-misclassified": "hard test images"}
_ROLE = {"level": "fine", "leaf": "fine", "mixed": "fine", "cluster-within": "fine"}
_ROLE |= {"cluster": "coarse", "misaligned": "coarse", "group": "coarse"}
"""Labels inside the coarse classes have one colour, labels that may cut across them another; all others ignore the images."""
_MARKERS = {"level": "o", "leaf": "o", "mixed": "D", "cluster-within": "^", "cluster": "v", "misaligned": "X", "group": "P"}
_MARKERS |= {"random": "s", "sample-id": "*"}


def needs(config: Config) -> Needs:
    """The table of ``theory-sim pretrain configs/digits.yaml``."""
    return Needs(image_studies=[STUDY])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Errors after the longest full finetuning.

    Returns:
        Columns ``samples``, ``kind``, ``label_function``, ``classes``, ``seeds``, ``transfer_steps``, ``error``, ``low``,
        ``high``, ``baseline_error``.
    """
    (study,) = inputs.image_studies
    kept = study[(study.transfer == "finetune") & study.samples.isin(list(_TITLES)) & (study.kind != "baseline")]
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
    table: pd.DataFrame = kept[columns]
    return table.sort_values(["samples", "kind", "classes"], kind="stable").reset_index(drop=True)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a panel per kind of images, and one legend."""
    # The leaves are the finest level of the tree.
    series = table.assign(series=table.kind.replace({"leaf": "level"}), value=table.error)
    kinds = list(dict.fromkeys(sorted(series.series, key=list(_MARKERS).index)))
    for samples, ax in axes.items():
        for place, kind in enumerate(kinds):
            own = series[(series.samples == samples) & (series.series == kind)].sort_values("classes")
            # The same factor is the same distance on a logarithmic axis.
            own = own.assign(at=own.classes * 1.035 ** (place - (len(kinds) - 1) / 2))
            color = style.PALETTE[_ROLE.get(kind, "noise")]
            style.estimates(ax, own, "at", color, marker=_MARKERS[kind], linestyle="-", linewidth=0.8, label=kind)
        baseline = table.baseline_error[table.samples == samples].iloc[0]
        ax.axhline(baseline, color=style.PALETTE["coarse"], linestyle=style.DASHED, linewidth=1, zorder=1, label="baseline")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_ylim(bottom=0)
        ax.set_xlabel("pretraining classes")
        ax.set_title(_TITLES[samples])
    axes["all"].set_ylabel("error on the coarse target")
    style.legend(axes["all"], style.entries_of(axes["all"]), ncols=4)


FIGURE = register(
    Figure(
        "real_granularity",
        "Label granularity on real images: error against the number of pretraining classes, by kind of labels.",
        caption=(
            "Error on the coarse target after pretraining on each kind of labels and full finetuning, against the number of"
            " pretraining classes, for all test images (left) and for hard ones (right), which coarse baselines of other seeds"
            " misclassify. The images are scikit-learn's digits; the target is whether a digit has a closed loop. Markers are"
            " means over seeds with their 95 % intervals; kinds are shifted a little to separate them. The dashed line is the"
            " baseline, trained on the coarse labels for the same total number of steps."
        ),
        size=(style.PAGE, 3.0),
        layout={"mosaic": [list(_TITLES)]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
