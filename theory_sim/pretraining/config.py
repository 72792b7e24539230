"""The configuration of a study on real images. Values without a mark are ours: the paper does not give them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from theory_sim.pretraining.datasets.base import Data, OpenShare
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.plugins import load, with_plugins
from theory_sim.runtime.settings import Count, CountOrZero, Distinct, NonNegative, Positive, Section, Seed, load_settings


class Labels(Section):
    """The label functions of the study; see `theory_sim.labels.functions` and `theory_sim.pretraining.labelling`."""

    functions: Annotated[list[str], Field(min_length=1), Distinct] = ["level(1)", "leaf"]
    """The label functions to pretrain on, each a network of its own; `level(1)` is the coarse target."""
    embedding: str = "pixels"
    """What k-means clusters: `pixels`, or a `transformers` vision model, by name or folder (the paper: CLIP ViT-L/14 [paper])."""
    images_per_class: Count | None = None
    """Pretrain every label function on this many images of each of its classes; baselines and transfers use all images."""
    total_images: Count | None = None
    """Train on this many images in all: every label function, as equally from each of its classes as they allow, and where the
    target is level 1 of the same data, baselines and transfers too, on the images of ``level(1)``."""
    seed: Seed = 0
    """Of random labels, of k-means, and of the images chosen."""

    @model_validator(mode="after")
    def _one_of_two(self) -> "Labels":
        if self.images_per_class is not None and self.total_images is not None:
            raise ValueError("images_per_class and total_images exclude each other")
        return self


class Architecture(Section):
    """The network; see `theory_sim.pretraining.models`."""

    name: Literal["convnet", "resnet18", "resnet34", "resnet50", "vit_ti16", "vit_s16", "vit_b16", "pretrained"] = "convnet"
    """Architecture: a small convolutional net, a ResNet, a ViT with patches of 16, or the one that `pretrained` names."""
    pretrained: str | None = None
    """An image model of `transformers` that all networks of the study start from, by its name on the hub or, with ``./`` or ``/``
    before it, as a folder; `name` is then ``pretrained``. Only safetensors are read, and no code of the model is run."""
    image_size: Annotated[int, Field(ge=4, le=4096)] | None = None
    """Side of the images that it is fed; without it see `theory_sim.pretraining.sizes`."""
    width: Count = 16
    """Channels of the small convolutional net's first block; the others have fixed widths."""

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_weights(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("pretrained") is not None:
            return {"name": "pretrained"} | dict(given)
        return given

    @model_validator(mode="after")
    def _one_of_two(self) -> "Architecture":
        if self.name == "pretrained" and self.pretrained is None:
            raise ValueError("name: pretrained needs the key pretrained: a name on the hub, or a folder of weights")
        if self.name != "pretrained" and self.pretrained is not None:
            raise ValueError(f"name: {self.name} and pretrained: {self.pretrained} do not fit together; give one of the two")
        return self

    @property
    def side(self) -> int:
        """The side of the images, once it is known."""
        if self.image_size is None:
            raise ValueError("model.image_size is not known yet")
        return self.image_size


Crop = Literal["none", "shift", "resized"]


class TrainingRecipe(Section):
    """One training run. Warm-up, then by `schedule`."""

    steps: CountOrZero = 300
    """Steps of training."""
    batch: Count = 64
    """Images per step, over all processes and accumulated parts."""
    accumulate: Count = 1
    """Parts that each process computes its share of a batch in."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum, or AdamW."""
    step_size: Positive = 0.05
    """Largest step size, reached after the warm-up."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Of the step size after the warm-up: cosine decay to 0, or constant. A longer run continues a finished shorter one where
    their step sizes are equal up to there: with `constant` and no warm-up."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Of SGD (Nesterov's); AdamW has its usual β = (0.9, 0.999)."""
    weight_decay: NonNegative = 5e-4
    """Not on biases and normalisations."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the steps in which the step size rises linearly."""
    clip_norm: Positive | None = None
    """Largest norm of the gradient."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each target's probability that is spread over all labels."""
    mixup: NonNegative = 0.0
    """α of mixup's Beta(α, α); 0: none. Neighbours in a batch are mixed."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the exponential average of the weights, which is then what is evaluated; 0: none."""
    crop: Crop = "none"
    """`none`: the middle square. `shift`: images in memory move by up to an eighth of the side over a black border, and of files
    a random square of 7/8 of the shorter side is taken. `resized`, of files: a random part of 8 to 100 % of the area, as for
    ImageNet."""
    flip: bool = False
    """Mirror half of the images."""
    precision: Literal["float32", "bf16"] = "float32"
    """Of the forward and backward pass: single precision, or bfloat16 (`torch.autocast`)."""
    log_every: Count = 50
    """Steps between logged losses."""
    checkpoint_every: Count = 1000
    """Steps between checkpoints."""

    @model_validator(mode="after")
    def _shares_batches(self) -> "TrainingRecipe":
        self.check_parts(1)
        return self

    def check_parts(self, processes: int) -> None:
        """Check that some processes can compute each batch together.

        Raises:
            InputError: they cannot share it equally, or mixup finds an odd number of images in a part.
        """
        size, rest = divmod(self.batch, processes * self.accumulate)
        if rest:
            of = f"the number of processes, {processes}, times accumulate, {self.accumulate}"
            raise InputError(f"batch: {self.batch} is not a multiple of {of}")
        if self.mixup and size % 2:
            raise InputError(f"batch: mixup needs an even number of images in each part, got {size}")

    def check_targets(self, several: bool) -> None:
        """Check that targets can be learned, which may have several labels for an image.

        Raises:
            InputError: labels would be smoothed, and images have several.
        """
        if several and self.label_smoothing:
            raise InputError("label_smoothing: should be 0 where an image may have several labels, as with hypernym")


Mode = Literal["finetune", "last_block", "linear_probe", "none"]


class Transfer(Section):
    """How a pretrained model is adapted to the target: all weights, its last block, a linear probe, or not at all (readouts)."""

    modes: Annotated[list[Mode], Field(min_length=1), Distinct] = ["finetune", "last_block", "linear_probe", "none"]
    """How pretrained networks are transferred: by finetuning all weights or the last block, by a linear probe, or not at
    all: their heads are read as they are."""
    steps: Annotated[list[Count], Field(min_length=1), Distinct] = [100]
    """Lengths of transfer, each tried; `none` has length 0."""
    training: TrainingRecipe = TrainingRecipe(step_size=0.02)
    """Its `steps` are those above."""

    @property
    def normalises(self) -> bool:
        """Whether some mode trains normalisations of the body, which then use the statistics of a batch."""
        return bool({"finetune", "last_block"} & set(self.modes))


_FEW_STEPS, _FEW_IMAGES, _FEW_EVALUATED = 10, 10, 200
"""Of `ImageStudy.small`."""
Split = Literal["both", "misclassified", "unconfident"]
Control = Literal["width", "augmentation", "split"]


class ImageStudy(Section):
    """One study: label functions × transfer modes × seeds, against baselines of the same total number of steps."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = "digits"
    """Name of the folder of its results, below that of all results."""
    seeds: Count = 3
    """Independent repetitions: initial weights and data order."""
    seed: Seed = 0
    """The first repetition's seed."""
    plugins: list[str] = []
    """Files or modules that register label functions or image sources, imported first; see `theory_sim.runtime.plugins`."""
    data: Data = Data()
    target: Data | None = None
    """Another data set to transfer to, its leaves the target; without it level 1 of `data` is."""
    labels: Labels = Labels()
    model: Architecture = Architecture()
    pretraining: TrainingRecipe = TrainingRecipe()
    transfer: Transfer = Transfer()
    workers: CountOrZero = 0
    """Processes that read images, for each training process; 0: it reads itself."""
    confidence: OpenShare = 0.95
    """Confidence of the intervals."""
    splits: Annotated[list[Split], Field(min_length=1), Distinct] = ["both"]
    """How hard and easy images are distinguished; see `theory_sim.pretraining.difficulty`. The first is printed."""
    controls: Annotated[list[Control], Distinct] = ["width", "augmentation", "split"]
    """Networks without fine labels, whose gains are shown beside the others': see `theory_sim.pretraining.controls`."""
    keep: Literal["weights", "none"] | None = None
    """Whether the weights of baselines, controls and transferred networks are kept, for `theory_sim.load_classifier`; without it
    those of networks up to 10 MB are (a ResNet-18 has 45 MB). Those of pretraining are always kept."""

    @model_validator(mode="before")
    @classmethod
    def _load_plugins(cls, given: Any) -> Any:
        """Before the names that they register are looked up."""
        named = given.get("plugins") if isinstance(given, Mapping) else None
        if isinstance(named, list | tuple) and all(isinstance(plugin, str) for plugin in named):
            load(named)
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> "ImageStudy":
        if self.target is not None and "none" in self.transfer.modes:
            raise ValueError("transfer.modes: 'none' reads the pretraining labels for the target, which is another data set's")
        if self.model.name.startswith("vit") and (self.model.image_size or 0) % 16:
            raise ValueError(f"model.image_size: patches of 16 need a multiple of 16, got {self.model.image_size}")
        if self.model.name.startswith("resnet"):
            self.check_normalised(self.model.name)
        return self

    def small(self) -> "ImageStudy":
        """The study at a size that only shows that it runs: two seeds, a few steps, a few images of each leaf."""
        steps = {"steps": min(_FEW_STEPS, self.pretraining.steps)}
        data = {"images_per_class": min(_FEW_IMAGES, self.data.images_per_class or _FEW_IMAGES), "evaluated": _FEW_EVALUATED}
        changes: dict[str, Any] = {
            "name": f"{self.name}-smoke",
            "seeds": min(2, self.seeds),
            "data": self.data.model_copy(update=data),
            "pretraining": self.pretraining.model_copy(update=steps),
            "transfer": self.transfer.model_copy(update={"steps": [min(_FEW_STEPS, *self.transfer.steps)]}),
        }
        if self.target is not None:
            changes["target"] = self.target.model_copy(update=data)
        return self.model_copy(update=changes)

    def check_normalised(self, network: str) -> None:
        """Check that a network with batch normalisations can be trained.

        Args:
            network: its name, for messages.

        Raises:
            InputError: a part of a batch has one image only.
        """
        for key, recipe in self.recipes.items():
            # A linear probe's normalisations are frozen.
            normalised = recipe.steps and (key == "pretraining" or self.transfer.normalises)
            if normalised and recipe.batch == recipe.accumulate:
                raise InputError(
                    f"{key}: {network} normalises over the images of a part of a batch, and needs 2 or more;"
                    f" got batch {recipe.batch} in {recipe.accumulate} parts"
                )

    @property
    def recipes(self) -> dict[str, TrainingRecipe]:
        """The recipes that it trains with, by key."""
        trains = set(self.transfer.modes) != {"none"}
        return {"pretraining": self.pretraining} | ({"transfer.training": self.transfer.training} if trains else {})


def load_study(
    path: str | Path | None = None,
    overrides: list[str] | tuple[str, ...] = (),
    plugins: list[str] | tuple[str, ...] = (),
    **values: Any,
) -> ImageStudy:
    """Read and check a study.

    Args:
        path: as for `theory_sim.runtime.settings.load_settings`; plugin files that it names are relative to its folder.
        overrides: as there.
        plugins: further plugins; files are relative to the working directory.
        values: as there.

    Raises:
        InputError: as there; or a plugin cannot be imported.
    """
    return load_settings(ImageStudy, path, overrides, with_plugins(path, plugins), **values)
