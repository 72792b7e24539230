"""Controls: networks that differ from the baseline in something other than true fine labels.

================  ==========================================================================================================
``width``         a network on the coarse labels, half as wide again (of the small convolutional net), or of the nearest other
                  size of its family
``augmentation``  a network on the coarse labels, with other random crops: shifted where there were none or random areas, none
                  where they were shifted
``split``         the label function ``split(1, n)``, transferred as all others: each coarse class divided at random among as many
                  labels as it has leaves on average, unless the study has such a label function already
================  ==========================================================================================================

A gain on hard or easy images is evidence for fine labels only as far as it exceeds that of the controls.
"""

from theory_sim.labels.functions import kind_of
from theory_sim.pretraining.config import Architecture, Control, ImageStudy, TrainingRecipe
from theory_sim.pretraining.datasets.base import ImageData

_OTHER_SIZE = {
    "resnet18": "resnet34",
    "resnet34": "resnet18",
    "resnet50": "resnet34",
    "vit_ti16": "vit_s16",
    "vit_s16": "vit_ti16",
    "vit_b16": "vit_s16",
}


def with_split_labels(study: ImageStudy, data: ImageData) -> ImageStudy:
    """The study with the label function of the control ``split``, where it asks for that and has none of this kind."""
    functions = study.labels.functions
    if "split" not in study.controls or any(kind_of(text) == "split" for text in functions):
        return study
    n = max(2, round(data.hierarchy.tree.n_leaves / data.hierarchy.tree.n_coarse))
    labels = study.labels.model_copy(update={"functions": [*functions, f"split(1, {n})"]})
    return study.model_copy(update={"labels": labels})


def coarse_controls(study: ImageStudy) -> list[Control]:
    """The study's controls that are trained on the coarse labels; weights from elsewhere have one width."""
    return [of for of in study.controls if of != "split" and not (of == "width" and study.model.pretrained)]


def control_name(control: str) -> str:
    """What tables and networks call a control."""
    return f"control: {control}"


def changed(study: ImageStudy, control: Control | None) -> tuple[Architecture, TrainingRecipe]:
    """The network and the recipe of a control; those of the baseline without one.

    Args:
        study: the configuration.
        control: ``width`` or ``augmentation``.
    """
    model, recipe = study.model, study.pretraining
    if control == "width" and model.name == "convnet":
        return model.model_copy(update={"width": model.width + max(1, model.width // 2)}), recipe
    if control == "width":
        return model.model_copy(update={"name": _OTHER_SIZE[model.name]}), recipe
    if control == "augmentation":
        return model, recipe.model_copy(update={"crop": "none" if recipe.crop == "shift" else "shift"})
    return model, recipe
