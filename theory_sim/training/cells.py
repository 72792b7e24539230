"""Training of several cells of a sweep side by side, as replicas are: configurations of the same shapes and different numbers.

The replicas of all cells are in one row, cell after cell; each cell's streams, law and rates are its own, so that its
numbers are those of the cell alone, bit for bit. What cells have in common is computed once: training samples of the same law
and seed, and networks that are trained in the same way on these, such as those of cells that differ in their test samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import pad

from theory_sim.config import Config
from theory_sim.data.cells import TRAINING, CellsSampler
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import PatchLaw, described
from theory_sim.data.sampler import Batch, PatchSampler, Sampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.labels.alignment import Alignment, alignment
from theory_sim.labels.functions import LabelContext, label_function
from theory_sim.runtime.streams import Streams, keys_of, streams
from theory_sim.training.engines.base import StepReport
from theory_sim.training.engines.cells import DenseCells, rows_of
from theory_sim.training.engines.dense import DenseEngine
from theory_sim.training.engines.loss import cross_entropy
from theory_sim.training.trainer import ALIGNED, Model, Training, divergence


@dataclass(frozen=True)
class Distinct:
    """What is different among cells.

    Attributes:
        first: the first cell of each key.
        of: for each cell the place of its key in `first`.
    """

    first: list[int]
    of: list[int]

    @classmethod
    def by(cls, keys: Sequence[object]) -> "Distinct":
        """Cells of equal keys are alike. Keys need no hash; where their texts are equal, the keys are compared."""
        first: list[int] = []
        of: list[int] = []
        alike: dict[str, list[int]] = {}
        for cell, key in enumerate(keys):
            places = alike.setdefault(repr(key), [])
            place = next((place for place in places if keys[first[place]] == key), len(first))
            if place == len(first):
                places.append(place)
                first.append(cell)
            of.append(place)
        return cls(first, of)

    @property
    def all_differ(self) -> bool:
        """Whether no two cells are alike."""
        return len(self.first) == len(self.of)


class CellsTraining(Training):
    """The state of several cells between two steps; `Training.models` are the networks of all cells.

    Args:
        cells: the configurations, of one `theory_sim.training.shapes.shape_of`.
        device: the device of all tensors.

    Attributes:
        cells: the configurations.
        failed: the cells whose training has diverged, with the reason; their numbers mean nothing from then on.
    """

    def __init__(self, cells: Sequence[Config], device: torch.device | str = "cpu") -> None:
        self.cells, self.each = list(cells), cells[0].replicas
        self.failed: dict[int, str] = {}
        self._laws = [described(law_of(cell), "cells side by side") for cell in cells]
        self._dictionaries = _dictionaries(cells, torch.device(device))
        self._sources = Distinct.by([_source_key(cell, law) for cell, law in zip(cells, self._laws, strict=True)])
        of_sources = [self._dictionaries[cell] for cell in self._sources.first]
        self._source_sampler = CellsSampler([self._laws[cell] for cell in self._sources.first], _joined(of_sources))
        self._networks: dict[str, Distinct] = {}
        self._alignments: dict[str, list[Alignment]] = {}
        self._source_rows: dict[str, Tensor | None] = {}
        self._whole: dict[str, Model] | None = None
        config = cells[0].replace({"replicas": len(cells) * self.each})
        super().__init__(config, device, self._laws[0], _joined(self._dictionaries))
        self._streams = self._streams_of("training", self._sources.first)

    @property
    def models(self) -> dict[str, Model]:
        """The networks of all cells; copies, where some are trained once for several cells."""
        if self._whole is None:
            self._whole = {name: self._of_all_cells(model) for name, model in self._models.items()}
        return self._whole

    def rows(self, cell: int) -> slice:
        """The replicas of a cell."""
        return slice(cell * self.each, (cell + 1) * self.each)

    def places(self, name: str) -> list[int]:
        """For each cell the place of its network among those that are trained, in `state`."""
        return self._networks[name].of

    def streams(self, name: str) -> Streams:
        """As `Training.streams`, of all cells."""
        return self._streams_of(name, range(len(self.cells)))

    def step(self) -> dict[str, StepReport]:
        """As `Training.step`; a cell that diverges is noted in `failed`, and the others go on."""
        self._whole = None
        batch = self.next_batch()
        reports = {}
        for name, model in self._models.items():
            own, labels = self._seen_by(name, batch)
            report = model.engine.step(own, labels)
            reports[name] = StepReport(self._of_cells(name, report.loss), self._of_cells(name, report.update))
        self.steps_done += 1
        if not all(bool(values.isfinite().all()) for report in reports.values() for values in (report.loss, report.update)):
            self._set_apart(reports)
        return reports

    def draw_batch(self, streams: Streams, samples: int) -> Batch:
        """As `Training.draw_batch`, for the streams of all cells, or of the sources of training samples."""
        if self._training_set is None:
            return self.draw_fresh(streams, samples)
        of_sources = len(streams) == len(self._sources.first) * self.each and streams is self._streams
        cells = self._sources.first if of_sources else range(len(self.cells))
        sizes = torch.tensor([self.cells[cell].data.training_samples for cell in cells]).repeat_interleave(self.each)
        rows = (streams.uniform(samples, dtype=torch.float64) * sizes[:, None]).long()
        replicas = None if of_sources else rows_of(self._sources.of, self.each).to(self.device)
        return self._training_set.take(rows.to(self.device), replicas)

    def draw_fresh(self, streams: Streams, samples: int) -> Batch:
        """As `Training.draw_fresh`."""
        sampler = self._source_sampler if streams is self._streams else self.sampler
        return sampler.sample(streams, samples, TRAINING)

    def draw_target(self, streams: Streams, samples: int, latents: bool = False) -> Batch:
        """As `Training.draw_target`."""
        if self.test_sampler is self.sampler and self._training_set is not None:
            return self.draw_batch(streams, samples)
        draw = self.test_sampler.latents if latents else self.test_sampler.sample
        return draw(streams, samples, TRAINING)

    def next_losses(self) -> dict[str, Tensor]:
        """As `Training.next_losses`."""
        batch = self.next_batch()
        found = {}
        for name, model in self._models.items():
            own, labels = self._seen_by(name, batch)
            found[name] = self._of_cells(name, cross_entropy(model.engine.logits(own), labels)[0])
        return found

    def alignment(self, model: Model) -> Alignment:
        """As `Training.alignment`, of the first cell."""
        return self.alignments(model.name)[0]

    def alignments(self, name: str) -> list[Alignment]:
        """`Training.alignment` of each cell."""
        if name not in self._alignments:
            self._alignments[name] = self._aligned(name)
        return self._alignments[name]

    def _aligned(self, name: str) -> list[Alignment]:
        model, of_source = self._models[name], []
        seen: dict[tuple[bytes, bytes], Alignment] = {}
        for place, cell in enumerate(self._sources.first):
            if self._training_set is not None:
                here = slice(place * self.each, place * self.each + 1)
                own = self._training_set.of_replicas(here).slice(0, self.cells[cell].data.training_samples)
            else:
                dictionary = self._dictionaries[cell]
                alone = PatchSampler(self._laws[cell], replace(dictionary, vectors=dictionary.vectors[:1]))
                stream = self._streams_of("alignment", [cell]).one(0)
                own = alone.latents(stream, ALIGNED, self._laws[cell].training_shares)
            labels, coarse = model.labels_of(own)[0], own.coarse[0]
            key = labels.cpu().numpy().tobytes(), coarse.cpu().numpy().tobytes()
            if key not in seen:
                seen[key] = alignment(labels, coarse)
            of_source.append(seen[key])
        return [of_source[place] for place in self._sources.of]

    def restore_networks(self, tensors: dict[str, Tensor]) -> None:
        """As `Training.restore_networks`."""
        self._whole = None
        super().restore_networks(tensors)

    def _set_apart(self, reports: dict[str, StepReport]) -> None:
        """Note the cells that have diverged in this step, and stop their networks."""
        for cell in range(len(self.cells)):
            here = self.rows(cell)
            for name, report in reports.items():
                reason = divergence(self.steps_done, name, StepReport(report.loss[here], report.update[here]))
                if reason is not None:
                    self.failed.setdefault(cell, reason)
                    cast(DenseCells, self._models[name].engine).silence(self._networks[name].of[cell])

    def _samplers(self) -> tuple[Sampler, Sampler]:
        own: Sampler = CellsSampler(self._laws, self.dictionary)
        shifted = [cell.at_target for cell in self.cells]
        if all(target is cell for target, cell in zip(shifted, self.cells, strict=True)):
            return own, own
        return own, CellsSampler([described(law_of(target), "cells side by side") for target in shifted], self.dictionary)

    def _draw_training_set(self) -> Batch | None:
        """The finite training sets of all sources; smaller ones are filled up with samples that are never drawn."""
        if not self.config.data.training_samples:
            return None
        sets = []
        for cell in self._sources.first:
            sampler = PatchSampler(self._laws[cell], self._dictionaries[cell])
            size = self.cells[cell].data.training_samples
            sets.append(sampler.sample(self._streams_of("training set", [cell]), size, self._laws[cell].training_shares))
        return _stacked(sets)

    def _model(self, name: str) -> Model:
        first = self.cells[0]
        context = LabelContext(first.data.training_samples, seed=first.seed_of("data"))
        labels = label_function(first.labels[name], self._laws[0].tree, context=context)
        distinct = Distinct.by([self._network_key(name, index) for index in range(len(self.cells))])
        engines = []
        for index in distinct.first:
            cell = self.cells[index]
            own = streams(cell.seed_of("init"), f"init {name}", self.each, self.device)
            step_size, dictionary = cell.training.step_size[name], self._dictionaries[index]
            engines.append(DenseEngine.initial(cell, self._laws[index], own, labels.n_classes, step_size, dictionary))
        self._networks[name] = distinct
        of_sources = [self._sources.of[index] for index in distinct.first]
        same = of_sources == list(range(len(self._sources.first)))
        self._source_rows[name] = None if same else rows_of(of_sources, self.each).to(self.device)
        return Model(name, labels, DenseCells.joined(engines))

    def _network_key(self, name: str, index: int) -> tuple[object, ...]:
        """All that the training of a network depends on."""
        cell, source = self.cells[index], self._sources.of[index]
        rates = cell.training.step_size[name], cell.bias_decay
        return source, cell.seed_of("init"), cell.network.init_std, cell.threshold, *rates

    def _seen_by(self, name: str, batch: Batch) -> tuple[Batch, Int[Tensor, "R B"]]:
        """What the distinct networks are trained on, of a batch of all sources; and their labels."""
        labels, rows = self._models[name].labels_of(batch), self._source_rows[name]
        return (batch, labels) if rows is None else (batch.of_replicas(rows), labels[rows])

    def _of_cells(self, name: str, values: Tensor) -> Tensor:
        """Values of the distinct networks, given to all cells."""
        distinct = self._networks[name]
        return values if distinct.all_differ else values[rows_of(distinct.of, self.each).to(values.device)]

    def _of_all_cells(self, model: Model) -> Model:
        distinct = self._networks[model.name]
        if distinct.all_differ:
            return model
        return replace(model, engine=cast(DenseCells, model.engine).take(distinct.of))

    def _streams_of(self, name: str, cells: Sequence[int]) -> Streams:
        """The streams of some cells, at their beginning."""
        keys = [keys_of(self.cells[cell].seed_of("data"), name, self.each) for cell in cells]
        return Streams(np.concatenate(keys), self.device)


def sources_of(cells: Sequence[Config]) -> list[int]:
    """For each cell a number; those of cells that are trained on the same samples are equal."""
    return Distinct.by([_source_key(cell, described(law_of(cell), "cells side by side")) for cell in cells]).of


def _source_key(cell: Config, law: PatchLaw) -> tuple[object, ...]:
    """All that training samples depend on: of the law what is said of kinds of samples that occur in training."""
    shares = law.training_shares
    occur = [(kind, share, law.kinds[kind] if share else None) for kind, share in shares.items()]
    signs = max(sum(group.sign == "random" for group in groups) for groups in law.kinds.values())
    # Where the law's own noise is none, normal numbers are drawn at the scale of the first other noise.
    others = () if law.noise.norm else law.own_noises
    of_law = (law.tree, law.patches, law.noise, law.independent, tuple(law.features), law.label_noise, law.node_features)
    seeds = cell.seed_of("data"), cell.seed_of("dictionary")
    return *seeds, cell.data.training_samples, occur, signs, others, *of_law


def _dictionaries(cells: Sequence[Config], device: torch.device) -> list[Dictionary]:
    """The features of each cell's replicas; cells of one seed have the same ones."""
    made: dict[int, Dictionary] = {}
    return [
        made[seed] if (seed := cell.seed_of("dictionary")) in made else made.setdefault(seed, make_dictionary(cell, device))
        for cell in cells
    ]


def _joined(dictionaries: Sequence[Dictionary]) -> Dictionary:
    first, replicas = dictionaries[0], sum(len(own.vectors) for own in dictionaries)
    if first.canonical:
        return replace(first, vectors=first.vectors[:1].expand(replicas, -1, -1))
    return replace(first, vectors=torch.cat([own.vectors for own in dictionaries]))


def _stacked(sets: Sequence[Batch]) -> Batch:
    """Finite sets of samples, one set after the other; smaller ones are filled up with zeros, which are never drawn."""
    most = max(own.leaf.shape[1] for own in sets)

    def filled(value: Tensor) -> Tensor:
        return pad(value, (0, 0) * (value.dim() - 2) + (0, most - value.shape[1]))

    return Batch(**{field.name: torch.cat([filled(getattr(own, field.name)) for own in sets]) for field in fields(Batch)})
