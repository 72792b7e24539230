"""Label granularity on real images: the gain against the number of pretraining classes.

By kind of labels, of test images, and by the size of the training set.
"""

import itertools

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Layout, Panels, Size, register
from theory_sim.figures.common.image_studies import DRAWN, ImageStudyDrawn

_TITLES = {"all": "all test images", "easy-both": "easy test images", "hard-both": "hard test images"}
_ROLE = {"level": "fine", "leaf": "fine", "mixed": "fine", "aligned": "fine", "cluster-within": "fine"}
_ROLE |= {"cluster": "coarse", "misaligned": "coarse", "group": "coarse"}
"""Labels inside the coarse classes have one colour, labels that may cut across them another; all others ignore the images."""
_MARKERS = {"level": "o", "leaf": "o", "mixed": "D", "aligned": "d", "cluster-within": "^", "cluster": "v", "misaligned": "X"}
_MARKERS |= {"group": "P", "random": "s", "split": "p", "sample-id": "*"}
_CONTROLS = {"control: width": style.DASHED, "control: augmentation": (0, (1, 1))}
"""The dashes of each."""
_COLUMNS = ["images_per_class", "samples", "kind", "label_function", "classes", "seeds", "transfer_steps", "gain", "gain_low"]
_COLUMNS += ["gain_high"]


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Gains after the longest full finetuning, and the controls' over as many steps.

    Returns:
        Columns ``images_per_class`` (to train on; NaN: all), ``samples``, ``kind``, ``label_function``, ``classes``, ``seeds``,
        ``transfer_steps``, ``gain``, ``gain_low``, ``gain_high``.
    """
    (study,) = inputs.image_studies
    study = study[study.samples.isin(list(_TITLES))]
    table: pd.DataFrame = pd.concat([_longest(rows) for _, rows in _sizes(study)])[_COLUMNS]
    return table.sort_values(["images_per_class", "samples", "kind", "classes"], kind="stable").reset_index(drop=True)


def _longest(rows: pd.DataFrame) -> pd.DataFrame:
    """Of one size of the training set: the longest full finetuning, and the controls of as many steps."""
    kept = rows[(rows.transfer == "finetune") & (rows.kind != "baseline")]
    kept = kept[kept.transfer_steps == kept.transfer_steps.max()]
    controls = rows[(rows.kind == "control") & (rows.pretraining_steps == (kept.pretraining_steps + kept.transfer_steps).max())]
    both: pd.DataFrame = pd.concat([kept, controls])
    return both


def _sizes(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows for each size of the training set, with its name; all images have no name where they are the only size."""
    if table.images_per_class.isna().all():
        return [("", table)]
    groups = [rows for _, rows in table.groupby("images_per_class", dropna=False)]
    sizes = [rows.images_per_class.iloc[0] for rows in groups]
    names = ["all training images" if pd.isna(size) else f"{size:g} training images per class" for size in sizes]
    return list(zip(names, groups, strict=True))


def layout(table: pd.DataFrame) -> Layout:
    """A row of panels for each size of the training set."""
    return {"mosaic": [[_panel(samples, size) for samples in _TITLES] for size, _ in _sizes(table)]}


def _panel(samples: str, size: str) -> str:
    return f"{samples} {size}".strip()


def size(table: pd.DataFrame) -> Size:
    """As high as the rows need."""
    return style.PAGE, 0.9 + 2.3 * len(_sizes(table))


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a panel for each kind of test images and size of the training set, and one legend."""
    # The leaves are the finest level of the tree.
    points = {"value": 100 * table.gain, "low": 100 * table.gain_low, "high": 100 * table.gain_high}
    series = table.assign(series=table.kind.replace({"leaf": "level"}), **points)
    kinds = [kind for kind in _MARKERS if kind in set(series.series)]
    for (samples, title), (size, rows) in itertools.product(_TITLES.items(), _sizes(series)):
        ax = axes[_panel(samples, size)]
        part = rows[rows.samples == samples]
        for place, kind in enumerate(kinds):
            own = part[part.series == kind].sort_values("classes")
            # The same factor is the same distance on a logarithmic axis.
            own = own.assign(at=own.classes * 1.035 ** (place - (len(kinds) - 1) / 2))
            color = style.PALETTE[_ROLE.get(kind, "noise")]
            style.estimates(ax, own, "at", color, marker=_MARKERS[kind], linestyle="-", linewidth=0.8, label=kind)
        for control, dashes in _CONTROLS.items():
            for value in part.value[part.label_function == control]:
                ax.axhline(value, color=style.PALETTE["common"], linestyle=dashes, linewidth=1, zorder=1, label=control)
        ax.axhline(0, zorder=1, **style.BOUND)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("pretraining classes")
        ax.set_title("\n".join(filter(None, (size, title))))
        if samples == "all":
            ax.set_ylabel("gain over the baseline, points")
    first = next(iter(axes.values()))
    style.legend(first, style.entries_of(first), ncols=4)


def figure(study: ImageStudyDrawn) -> Figure:
    """The figure of a study."""
    return Figure(
        "real_granularity" if study.prefix == "image" else f"{study.prefix}_granularity",
        "Label granularity on real images: gain against the number of pretraining classes, on easy and hard images.",
        caption=(
            "By how much the error on the coarse target falls, in percentage points, when a network is pretrained on each kind of"
            " labels and then finetuned in full, against the number of pretraining classes: for all test images, for easy and for"
            " hard ones. Hard images are misclassified by most networks of the other seeds, both of the baseline and of those"
            f" compared with it; easy images are classified correctly by most of both. {study.about} Markers are means over seeds"
            " with their 95 % intervals; kinds are shifted a little to separate them. The baseline, at 0, is trained on the"
            " coarse labels for the same total number of steps. Blue lines are controls, networks on the coarse labels with"
            " another width or other random crops: only a gain beyond theirs is evidence for the labels."
        ),
        size=size,
        layout=layout,
        needs=study.needs,
        compute=compute,
        draw=draw,
    )


FIGURE, *_ = [register(figure(study)) for study in DRAWN]
