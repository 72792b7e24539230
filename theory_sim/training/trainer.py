"""Training of R replicas: a theory's networks see the same samples, each with its own labels.

Nothing here knows what is recorded: a recorder calls `Training.step` and reads the state between steps.
"""

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law
from theory_sim.data.sampler import Batch, Sampler, make_sampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.labels.alignment import Alignment, alignment
from theory_sim.labels.functions import LABEL_FUNCTIONS, LabelContext, LabelFunction, kind_of, label_function
from theory_sim.runtime.contracts import ENGINES
from theory_sim.runtime.errors import DivergedError, InputError
from theory_sim.runtime.returned import expect_tensor, expect_type
from theory_sim.runtime.streams import Streams, streams
from theory_sim.training.engines.base import Engine, HeadGroups, StepReport
from theory_sim.training.engines.loss import cross_entropy

CHUNK = 250
"""Test samples per replica drawn and judged at once."""
ALIGNED = 2000
"""Fresh samples that tell a label function's alignment."""


@dataclass(frozen=True)
class Model:
    """A network in training and the label function that it is trained with."""

    name: str
    labels: LabelFunction
    engine: Engine

    def labels_of(self, batch: Batch) -> Int[Tensor, "R B"]:
        """The labels that it is trained on.

        Raises:
            InputError: the label function does not give each sample one whole number from 0 to its number of classes − 1.
        """
        labels, like = self.labels.assign(batch), batch.leaf
        fits = isinstance(labels, Tensor) and labels.dtype == torch.long and labels.shape == like.shape
        if not fits or labels.device != like.device:  # only then: this is done at every step
            expect_tensor(self._of_labels, labels, tuple(like.shape), torch.long, like.device)
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= self.labels.n_classes:
            bad = low if low < 0 else high
            raise InputError(f"{self._of_labels} gave the label {bad}; it has {self.labels.n_classes} classes, from 0")
        return labels

    @property
    def _of_labels(self) -> str:
        """The label function in messages."""
        return f"labels.{self.name}: {LABEL_FUNCTIONS.named(kind_of(self.labels.name))}"


class Training:
    """The state of one experiment between two steps.

    Args:
        config: the configuration.
        device: the device of all tensors.
        law: the law of samples; None: that of the configuration.
        dictionary: the features of each replica; None: those of the configuration.

    Attributes:
        steps_done: number of steps made.
        law: the law of training samples.
        dictionary: the features of each replica.
        sampler: draws training samples with these features.
        test_sampler: draws test samples: the same one, unless the target's distribution is shifted.
        target: the coarse labels that all networks are tested on.
    """

    def __init__(
        self,
        config: Config,
        device: torch.device | str = "cpu",
        law: Law | None = None,
        dictionary: Dictionary | None = None,
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.steps_done = 0
        self.law = law_of(config) if law is None else law
        self.dictionary = make_dictionary(config, self.device) if dictionary is None else dictionary
        self._engine: type[Engine] = ENGINES[config.training.engine]
        self.sampler, self.test_sampler = self._samplers()
        self.target = label_function("level(1)", self.law.tree)
        self._streams = self.streams("training")
        self._training_set = self._draw_training_set()
        self._models = {name: self._model(name) for name in config.networks}

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{name} on {model.labels.name} ({model.labels.n_classes} heads)" for name, model in self.models.items()
        )
        config = self.config
        where = f"step {self.steps_done} of {config.training.steps}, {config.replicas} replicas on {self.device}"
        return f"Training of '{config.name}', theory {config.theory}, {where}: {parts}"

    def _repr_html_(self) -> str:
        first, _, networks = repr(self).partition(": ")
        return f"<b>{html.escape(first)}</b><br>{html.escape(networks)}"

    @property
    def models(self) -> dict[str, Model]:
        """The networks by their names."""
        return self._models

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of samples that networks are tested on."""
        return tuple(self.law.kinds)

    def streams(self, name: str) -> Streams:
        """Random streams of the data, at their beginning, one for every replica."""
        return streams(self.config.seed_of("data"), name, self.config.replicas, self.device)

    def step(self) -> dict[str, StepReport]:
        """One step of every model on the same batch.

        Raises:
            DivergedError: a loss or an update is NaN or infinite.
        """
        batch = self.next_batch()
        reports = {name: model.engine.step(batch, model.labels_of(batch)) for name, model in self.models.items()}
        if not self.steps_done:
            self._check_reports(reports)
        self.steps_done += 1
        for name, report in reports.items():
            if (reason := divergence(self.steps_done, name, report)) is not None:
                raise DivergedError(reason)
        return reports

    def _check_reports(self, reports: dict[str, StepReport]) -> None:
        """Refuse what an engine's first steps should not come to."""
        for report in reports.values():
            what = f"{ENGINES.named(self.config.training.engine)}: step"
            expect_type(what, report, StepReport)
            for name, value in (("loss", report.loss), ("update", report.update)):
                expect_tensor(f"{what}: {name}", value, (self.config.replicas,))

    def next_batch(self) -> Batch:
        """The next training batch: fresh samples, draws with replacement from the finite training set, or the whole of it."""
        if self.config.training.batch == "full" and self._training_set is not None:
            return self._training_set
        return self.draw_batch(self._streams, self.config.batch)

    def draw_batch(self, streams: Streams, samples: int) -> Batch:
        """Training samples from any stream: fresh ones, or of the finite training set."""
        if self._training_set is None:
            return self.draw_fresh(streams, samples)
        size = self.config.data.training_samples
        return self._training_set.take(streams.integers(size, samples).to(self.device))

    def draw_fresh(self, streams: Streams, samples: int) -> Batch:
        """Fresh samples of the training law, also where the training set is finite."""
        return self.sampler.sample(streams, samples, self.law.training_shares)

    def draw_target(self, streams: Streams, samples: int, latents: bool = False) -> Batch:
        """Samples to fit a readout on: training samples, or fresh ones of the target's distribution where it is shifted.

        With `latents` their patches may be absent: the truth about the same samples, at little cost.
        """
        if self.test_sampler is self.sampler and self._training_set is not None:
            return self.draw_batch(streams, samples)
        draw = self.test_sampler.latents if latents else self.test_sampler.sample
        return draw(streams, samples, self.law.training_shares)

    def test_batches(self, kind: str) -> Iterator[Batch]:
        """The test samples of a kind, a few at a time."""
        stream = self.streams(f"test {kind}")
        for start in range(0, self.config.test.samples, CHUNK):
            yield self._as_tested(self.test_sampler.sample(stream, min(CHUNK, self.config.test.samples - start), kind))

    def curve_batch(self, kind: str) -> Batch:
        """The few test samples of a kind that are looked at during training."""
        return self._as_tested(self.test_sampler.sample(self.streams(f"curve {kind}"), self.config.test.curve_samples, kind))

    def _as_tested(self, batch: Batch) -> Batch:
        """The batch with the coarse classes that answers are compared with: those of the noisy labels where these are tested."""
        return replace(batch, coarse=self.target.assign(batch)) if self.config.test.noisy_labels else batch

    def parents(self, model: Model) -> HeadGroups:
        """The coarse class of each head."""
        return HeadGroups(model.labels.parent.to(self.device), self.target.n_classes)

    def next_losses(self) -> dict[str, Tensor]:
        """Loss of each sample of the next batch (R, B), without a step: the training loss where training ended."""
        batch = self.next_batch()
        return {name: cross_entropy(model.engine.logits(batch), model.labels_of(batch))[0] for name, model in self.models.items()}

    def alignment(self, model: Model) -> Alignment:
        """How a model's labels relate to the coarse target: in replica 0, on the training set or on fresh samples."""
        own = self._training_set
        if own is None:
            own = self.sampler.latents(self.streams("alignment"), ALIGNED, self.law.training_shares)
        return alignment(model.labels_of(own)[0], own.coarse[0])

    def state(self) -> dict[str, Tensor]:
        """All that a later process needs to go on to the same numbers, bit for bit."""
        tensors = {"steps_done": torch.tensor(self.steps_done)}
        tensors |= {f"streams/{key}": value for key, value in self._streams.state().items()}
        for name, model in self._models.items():
            tensors |= {f"{name}/{key}": value for key, value in model.engine.state().items()}
        return tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a `state` of the same kind of device, whose random streams go on too."""
        self.steps_done = int(tensors["steps_done"])
        self._streams.restore(_below("streams", tensors))
        self.restore_networks(tensors)

    def restore_networks(self, tensors: dict[str, Tensor]) -> None:
        """The networks of a `state`, from any device, to be tested."""
        for name, model in self._models.items():
            model.engine.restore(_below(name, tensors))

    def _samplers(self) -> tuple[Sampler, Sampler]:
        """Of training and of test samples."""
        config, noise_patches = self.config, self._engine.noise_patches
        own, shifted = make_sampler(self.law, self.dictionary, noise_patches), config.at_target
        return own, own if shifted is config else make_sampler(law_of(shifted), self.dictionary, noise_patches)

    def _draw_training_set(self) -> Batch | None:
        """The finite training set, if there is one."""
        size = self.config.data.training_samples
        return self.sampler.sample(self.streams("training set"), size, self.law.training_shares) if size else None

    def _model(self, name: str) -> Model:
        config = self.config
        labels = label_function(config.labels[name], self.law.tree, context=self._context())
        own = streams(config.seed_of("init"), f"init {name}", config.replicas, self.device)
        step_size = config.training.step_size[name]
        engine = self._engine.initial(config, self.law, own, labels.n_classes, step_size, self.dictionary)
        if not ENGINES.entry(config.training.engine).is_core:  # the check reads all properties: one may copy gigabytes
            expect_type(f"{ENGINES.named(config.training.engine)}: initial", engine, Engine)
        return Model(name, labels, engine)

    def _context(self) -> LabelContext:
        """What a label function may rest on: of a finite training set each sample's mean patch, to be clustered."""
        own = self._training_set
        if own is None:
            return LabelContext()
        seed = self.config.seed_of("data")
        return LabelContext(own.index.shape[1], own.labelled_leaf.cpu(), lambda: own.x.mean(2).cpu(), seed=seed)


def divergence(step: int, name: str, report: StepReport) -> str | None:
    """How a network's step came to a NaN or an infinity, in words; None: it did not."""
    for quantity, values in (("training loss", report.loss), ("weight update", report.update)):
        if not values.isfinite().all():
            replica = int((~values.isfinite()).nonzero()[0])
            return (
                f"step {step}: the {quantity} of the {name} model is {float(values[replica])}"
                f" in replica {replica}; a smaller training.step_size.{name} may help"
            )
    return None


def _below(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state below a name."""
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def log_spaced_steps(steps: int, points: int) -> list[int]:
    """Step 0 and about `points` steps from 1 to `steps`, evenly spaced in their logarithm."""
    if steps == 0:
        return [0]
    spread = [round(math.exp(math.log(steps) * i / max(1, points - 1))) for i in range(points)]
    return sorted({0, *spread, steps})
