"""Training on tensors of one's own: samples as sets of patches, their labels, and the directions to follow."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import SampledLaw
from theory_sim.data.sampler import Batch
from theory_sim.labels.tree import ROOT, LabelTree
from theory_sim.runtime.devices import choose_device
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.progress import OnProgress, Progress, shown_by_default
from theory_sim.runtime.settings import checked, repeated
from theory_sim.runtime.streams import Streams
from theory_sim.runtime.threads import cores_share_blocks
from theory_sim.training.recording import Record, Recorder
from theory_sim.training.trainer import Training

Numbers = Tensor | np.ndarray
Labelled = tuple[Tensor, Tensor]
"""Samples and their labels."""
_NETWORK = "network"
_CURVE, _AT_ONCE = 200, 250
"""Test samples looked at during training, and judged at once at its end."""
_ROWS = 1024
"""Samples whose numbers are looked through at once."""


def fit(
    x: Numbers,
    labels: Numbers | Sequence[int],
    directions: Numbers | None = None,
    *,
    test: tuple[Numbers, Numbers | Sequence[int]] | None = None,
    neurons: int = 60,
    steps: int = 200,
    batch: int | Literal["full"] = 128,
    step_size: float = 0.1,
    init_std: float = 0.01,
    threshold: float = 1.6,
    bias_decay: float = 0.02,
    train_output: bool = False,
    engine: str = "dense",
    options: Mapping[str, Any] | None = None,
    replicas: int = 5,
    seed: int = 0,
    names: Sequence[str] | None = None,
    device: str = "auto",
    record: Mapping[str, Record] | None = None,
    on_progress: OnProgress | None = None,
) -> xr.Dataset:
    """Train R networks on given samples, and record them as a run's networks are.

    Args:
        x: the samples, (N, P, d): N samples of P patches in d dimensions.
        labels: class of each, from 0.
        directions: v, vectors whose correlations ⟨w, v⟩ and responses are recorded, (F, d); of any norm; may be left out.
        test: samples and labels to test on; None: the training samples.
        neurons: m per class.
        steps: steps of SGD.
        batch: B, drawn with replacement from the samples; or ``full``, all of them at each step.
        step_size: η.
        init_std: σ_0.
        threshold: τ; biases start at −σ_0 τ.
        bias_decay: κ.
        train_output: whether the output weights are trained too.
        engine: how a step is computed, as ``training.engine`` takes it.
        options: settings of the engine, the keys of ``engine`` in a configuration, such as ``{"activation": "z^3"}``.
        replicas: R; they differ in initial weights and batches.
        seed: of all random numbers.
        names: of the directions.
        device: see `theory_sim.runtime.devices.choose_device`.
        record: further quantities to record, see `theory_sim.runs.run.run`.
        on_progress: called after every step; without it a notebook shows a bar.

    Returns:
        the record (`theory_sim.training.recording`); its kind of test samples is ``test``, or ``train`` where none are given.

    Raises:
        InputError: shapes do not fit together, a number is not finite, or a setting is out of its range.
        DivergedError: training met a NaN or an infinity.
    """
    train = _checked("x", "labels", x, labels)
    tested = train if test is None else _checked("test samples", "test labels", *_pair(test))
    if tested[0].shape[1:] != train[0].shape[1:]:
        raise InputError(f"test: patches and dimensions {tuple(tested[0].shape[1:])} are not {tuple(train[0].shape[1:])} as in x")
    dim, dtype = train[0].shape[-1], train[0].dtype
    vectors = torch.zeros(0, dim) if directions is None else _numbers("directions", directions)
    if vectors.dim() != 2 or vectors.shape[1] != dim:
        raise InputError(f"directions: expected the shape (F, {dim}), got {tuple(vectors.shape)}")
    _check_finite("directions", "direction", vectors)
    _check_names(names, len(vectors))
    n_classes = max(2, int(max(train[1].max(), tested[1].max())) + 1)
    if n_classes > max(2, len(train[1]) + len(tested[1])):
        raise InputError(f"labels: number the classes from 0; the largest is {n_classes - 1}, for {len(train[1])} samples")
    settings: dict[str, Any] = {
        "name": "fit",
        "replicas": replicas,
        "seed": seed,
        "network": {"neurons": neurons, "init_std": init_std, "threshold": threshold, "train_output": train_output},
        "training": {
            "steps": steps,
            "batch": batch,
            "bias_decay": bias_decay,
            "engine": engine,
            "dtype": str(dtype).removeprefix("torch."),
        },
        "engine": options,
        "data": {"training_samples": len(train[1])},
        "transfer": {"readouts": ["sum_logits"]},
        "test": {"samples": len(tested[1]), "curve_samples": min(_CURVE, len(tested[1]))},
    }
    config = _for_own_samples(_config(settings), train[0], n_classes, step_size)
    chosen, show = choose_device(device), shown_by_default(on_progress)
    own = Dictionary(vectors.to(chosen, dtype).expand(replicas, -1, -1), canonical=False)
    with torch.no_grad(), cores_share_blocks():
        training = _OwnTraining(config, chosen, own, train, tested, "train" if test is None else "test", names)
        recorder = Recorder(training, record)
        recorder.record_step()
        while training.steps_done < steps:
            reports = training.step()
            recorder.losses(reports)
            recorder.record_step()
            loss = float(reports[_NETWORK].loss.mean())
            show(Progress("training", training.steps_done, steps, f"loss {loss:.4f}"))
        return recorder.finish()[_NETWORK]


class _OwnTraining(Training):
    """Training on given samples: a finite training set, and a test set of which every sample is judged once."""

    def __init__(
        self,
        config: Config,
        device: torch.device,
        directions: Dictionary,
        train: Labelled,
        tested: Labelled,
        kind: str,
        names: Sequence[str] | None,
    ) -> None:
        tree = LabelTree((ROOT,) * config.tree.coarse)

        def sample(streams: Streams, samples: int, shares: Mapping[str, float], dictionary: Dictionary) -> Batch:
            return self._batch(train, tree, streams)

        named = tuple(names) if names is not None else tuple(map(str, range(directions.vectors.shape[1])))
        law = SampledLaw(tree, [kind], sample, features=named, node_features=False)
        self._tested, self._replicas = tested, config.replicas
        super().__init__(config, device, law, directions)

    def test_batches(self, kind: str) -> Iterator[Batch]:
        """All test samples, each once."""
        whole = self._batch(self._tested, self.law.tree, self.streams(f"test {kind}"))
        for start in range(0, len(self._tested[1]), _AT_ONCE):
            yield whole.slice(start, min(start + _AT_ONCE, len(self._tested[1])))

    def curve_batch(self, kind: str) -> Batch:
        """Test samples at even distances."""
        places = torch.linspace(0, len(self._tested[1]) - 1, self.config.test.curve_samples).long()
        return self._batch((self._tested[0][places], self._tested[1][places]), self.law.tree, self.streams(f"curve {kind}"))

    def _batch(self, labelled: Labelled, tree: LabelTree, streams: Streams) -> Batch:
        """The same samples for every replica."""
        x, leaf = (values.to(self.device).expand(self._replicas, *values.shape) for values in labelled)
        return Batch.of(x, leaf, tree, streams)


def _checked(name: str, name_of_labels: str, x: Numbers, labels: Numbers | Sequence[int]) -> Labelled:
    """Samples and labels as tensors that fit together."""
    samples, classes = _numbers(name, x), _tensor(name_of_labels, labels, "of whole numbers")
    if samples.dim() != 3 or 0 in samples.shape:
        raise InputError(f"{name}: expected the shape (N, P, d): samples, patches, dimensions; got {tuple(samples.shape)}")
    samples = samples if samples.dtype in (torch.float32, torch.float64) else samples.float()
    _check_finite(name, "sample", samples)
    if classes.shape != samples.shape[:1]:
        given = tuple(classes.shape)
        raise InputError(f"{name_of_labels}: expected one for each of the {len(samples)} samples, got the shape {given}")
    if classes.is_floating_point() or classes.is_complex():
        raise InputError(f"{name_of_labels}: expected whole numbers, got {classes.dtype}")
    classes = classes.long()
    if (least := int(classes.min())) < 0:
        place = int((classes < 0).nonzero()[0])
        raise InputError(
            f"{name_of_labels}: number the classes from 0; the smallest is {least}, the first negative of sample {place}"
        )
    return samples, classes


def _numbers(name: str, values: Any) -> Tensor:
    """Real numbers."""
    numbers = _tensor(name, values, "of numbers")
    if numbers.is_complex():
        raise InputError(f"{name}: expected real numbers, got {numbers.dtype}")
    return numbers


def _check_finite(name: str, of: str, values: Tensor) -> None:
    for start in range(0, len(values), _ROWS):  # a mask of all might not fit
        finite = values[start : start + _ROWS].isfinite().flatten(1).all(1)
        if not finite.all():
            first = start + int((~finite).nonzero()[0])
            raise InputError(f"{name}: some numbers are NaN or infinite, the first in {of} {first}")


def _check_names(names: Any, directions: int) -> None:
    if names is None:
        return
    expect("names", names, list, tuple)
    for name in names:
        expect("names: a name", name, str)
    if len(names) != directions:
        raise InputError(f"names: {len(names)} names for {directions} directions")
    if twice := repeated(names):
        raise InputError(f"names: '{twice[0]}' is there twice")


def _tensor(name: str, values: Any, what: str) -> Tensor:
    try:
        return torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError):  # PyTorch raises each of them, by what is wrong
        raise InputError(f"{name}: expected an array {what}, got {type(values).__name__}") from None


def _pair(test: Any) -> tuple[Any, Any]:
    if not isinstance(test, tuple | list) or len(test) != 2:
        raise InputError(f"test: expected a pair of samples and labels, got {type(test).__name__}")
    return test[0], test[1]


def _config(settings: dict[str, Any]) -> Config:
    """Checked settings; an error names the argument, not the section that holds it."""
    try:
        return checked(Config, settings)
    except InputError as error:
        message = str(error).removeprefix("network.").removeprefix("training.")
        raise InputError(re.sub(r"^engine\.", "options: ", message)) from None


def _for_own_samples(config: Config, x: Tensor, n_classes: int, step_size: float) -> Config:
    """The configuration as these samples have it. No data model describes them, so it is not checked as one."""
    if isinstance(step_size, bool) or not isinstance(step_size, Real) or not 0 < step_size < math.inf:
        raise InputError(f"step_size: should be a number greater than 0, got {step_size!r}")
    data = {"dim": x.shape[2], "patches": x.shape[1], "training_samples": len(x)}
    return config.model_copy(
        update={
            "tree": config.tree.model_copy(update={"coarse": n_classes}),
            "labels": {_NETWORK: "leaf"},
            "data": config.data.model_copy(update=data),
            "training": config.training.model_copy(update={"step_size": {_NETWORK: float(step_size)}}),
        }
    )
