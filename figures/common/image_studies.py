"""The studies on real images that figures are drawn from."""

from collections.abc import Callable
from dataclasses import dataclass

from theory_sim.config import Config
from theory_sim.figures.common.figure import Needs


@dataclass(frozen=True)
class ImageStudyDrawn:
    """A study on real images.

    Attributes:
        name: of the study and of its file in ``configs``.
        prefix: of its figures' names.
        about: its images and its target, in two sentences.
        fine: what its leaves are called.
    """

    name: str
    prefix: str
    about: str
    fine: str

    @property
    def needs(self) -> Callable[[Config], Needs]:
        """What its figures need."""
        return lambda config: Needs(image_studies=[self.name])


DRAWN = (
    ImageStudyDrawn(
        "digits",
        "image",
        "The images are scikit-learn's digits. The target is whether a digit has a closed loop.",
        "the ten digits",
    ),
    ImageStudyDrawn(
        "cifar100",
        "cifar100",
        "The images are CIFAR-100's at 16 × 16 pixels. The target is one of 20 superclasses.",
        "the 100 classes",
    ),
)
