"""Where a study's numbers come from: the package's code, and a user's code by the digests of what the study names."""

from dataclasses import dataclass

from theory_sim.labels.functions import LABEL_FUNCTIONS, parsed
from theory_sim.pretraining.config import ImageStudy
from theory_sim.pretraining.datasets.base import IMAGE_SOURCES
from theory_sim.runtime.provenance import code_version

MAKES_NUMBERS = ("labels", "pretraining", "runtime", "stats", "pretraining/data/imagenet21k_edges.txt.gz")
"""Packages, modules and tables of the package that a study's numbers depend on."""


def pipeline_version() -> str:
    """Package version and a digest of the packages and tables that a study's numbers depend on."""
    return code_version(MAKES_NUMBERS)


@dataclass(frozen=True)
class Sources:
    """Digests of the registered objects that a study uses; see `theory_sim.runtime.registry.Registry.digest`.

    Attributes:
        images: of the image sources, by name.
        labels: of the label functions, by their text in the configuration.
        unreadable: what has no source that can be read, such as ``label function odd-even``.
    """

    images: dict[str, str | None]
    labels: dict[str, str | None]
    unreadable: tuple[str, ...]


def sources_of(study: ImageStudy) -> Sources:
    """The digests for a study.

    Raises:
        InputError: a label function is not registered.
    """
    names = sorted({data.source for data in (study.data, study.target) if data is not None})
    images = {name: IMAGE_SOURCES.digest(name) for name in names}
    labels = {text: LABEL_FUNCTIONS.digest(parsed(text)[0]) for text in study.labels.functions}
    unreadable = [f"image source {name}" for name, digest in images.items() if digest is None]
    unreadable += [f"label function {text}" for text, digest in labels.items() if digest is None]
    return Sources(images, labels, tuple(unreadable))
