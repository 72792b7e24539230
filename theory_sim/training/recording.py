"""What is recorded of a training run: correlations, lucky sets, responses, losses and errors, as labelled arrays.

Each network gives one `xarray.Dataset`:

=================  ==============================================  ====================================================
variable           dimensions                                      meaning
=================  ==============================================  ====================================================
correlation        replica, step, head, neuron, feature            ⟨w_{c,r}, v⟩
bias               replica, step, head, neuron                     b_{c,r}
norm               replica, step, head, neuron                     ‖w_{c,r}‖₂; ⟨w, ζ⟩ ~ N(0, σ_ζ²‖w‖²) for a fresh ζ
output             replica, step, head, neuron                     a_{c,r}; only where it is trained
firing             replica, step, head, neuron, feature            whether v alone activates the neuron: ⟨w, v⟩ + b > 0
lucky              replica, head, neuron, feature                  the same at initialisation
response           replica, step, head, feature                    Σ_r a_{c,r} φ(⟨w_{c,r}, v⟩ + b_{c,r}): F_c of the patch v alone
noise_margin       replica, step                                   largest (⟨w, ζ⟩ + b)/σ_0 on noise patches; ``record.noise``
training_loss      replica, update                                 cross-entropy before each update, and at the end
final_loss         replica, sample                                 its samples at the end
curve_error        replica, step, kind, readout                    error on ``test.curve_samples`` of each kind
test_correct       replica, kind, test_sample, test_readout        probability of the right answer at the end
test_class         replica, kind, test_sample                      the right answer, from 0
test_error         replica, kind, test_readout                     one minus its mean
test_margin        replica, kind, margin_quantile, test_readout    quantiles of score of the right class − largest other one
*your own*         replica, step, ``name_0``, …                    what a function given to ``run(record=...)`` returned
=================  ==============================================  ====================================================

Steps are those of `theory_sim.training.trainer.log_spaced_steps`. Losses are in nats; correlations and responses have the
unit of the weights times the features' norm, which is 1. φ is the ReLU, unless the engine has another
`theory_sim.training.nonlinearity.Nonlinearity`. Attributes hold as JSON texts the ``config``, the ``nonlinearity``, the labels'
``alignment`` with the coarse target (`theory_sim.labels.alignment.Alignment`), and the engine's ``certificate``.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from theory_sim.data.sampler import Batch
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.returned import expect_function, place, shown
from theory_sim.training.engines.base import StepReport
from theory_sim.training.evaluation import evaluate, score
from theory_sim.training.noise import noise_margin
from theory_sim.training.nonlinearity import nonlinearity_of
from theory_sim.training.readouts import quick_readouts
from theory_sim.training.records import COORDINATES, SCHEMA, record_of
from theory_sim.training.trainer import Training, log_spaced_steps

Record = Callable[[Training], Any]
"""From a training between two steps to a number, or an array whose first axis is the replicas; or a mapping of these by
network."""
_OWN = "own."
"""Before the names of what a user records."""


def check_record(record: Mapping[str, Record]) -> None:
    """Refuse what cannot be recorded.

    Raises:
        InputError: a name is no identifier or is taken, or there is no function.
    """
    if not isinstance(record, Mapping):
        raise InputError(f"record: expected a mapping of names to functions, got {type(record).__name__}")
    taken = list(dict.fromkeys([*SCHEMA, *COORDINATES, *(axis for axes, _, _ in SCHEMA.values() for axis in axes)]))
    for name, function in record.items():
        if not isinstance(name, str) or name in taken or not name.isidentifier():
            raise InputError(f"record {name}: choose a name that is an identifier and none of {', '.join(taken)}")
        if (of := re.fullmatch(r"(\w+)_\d+", name)) and of[1] in record:
            raise InputError(f"record {name}: choose another name: this is an axis of the recorded quantity {of[1]}")
        if not callable(function):
            raise InputError(f"record {name}: expected a function of the training, got {type(function).__name__}")
        expect_function(f"record {name}", function, "training")


class Recorder:
    """Records a `Training`; what it has recorded so far can be saved and restored with a checkpoint.

    Args:
        training: the training.
        record: further quantities by name, recorded at the same steps.
    """

    def __init__(self, training: Training, record: Mapping[str, Record] | None = None) -> None:
        check_record(record or {})
        self.training, self.record = training, dict(record or {})
        self.steps = log_spaced_steps(training.config.training.steps, training.config.record.points)
        self._curve_set = Batch.joined([training.curve_batch(kind) for kind in training.kinds])
        self._seen: dict[str, list[Tensor]] = {}

    def losses(self, reports: Mapping[str, StepReport]) -> None:
        """Note the loss of a step."""
        for name, report in reports.items():
            self._note(f"{name}/training_loss", report.loss)

    def record_step(self) -> dict[str, Any] | None:
        """Record the present state if this step is on the schedule; returns the step's log line."""
        training = self.training
        if training.steps_done not in self.steps:
            return None
        line: dict[str, Any] = {"step": training.steps_done}
        for name, model in training.models.items():
            bias, output = model.engine.bias, model.engine.output
            correlation = model.engine.correlation(training.dictionary)
            active = nonlinearity_of(model.engine).of(correlation + bias[..., None])
            response = (output[..., None] * active).sum(2)
            right = score(self._curve_set, model, quick_readouts(training, model))
            error = 1 - right.unflatten(1, (len(training.kinds), -1)).mean(2)
            for key, value in {
                "correlation": correlation,
                "bias": bias,
                "norm": model.engine.norm(),
                "response": response,
                "curve_error": error,
            }.items():
                self._note(f"{name}/{key}", value)
            if training.config.network.train_output:
                self._note(f"{name}/output", output)
            by_readout = error.mean(0)[:, 0].tolist()
            line[name] = dict(zip((f"{kind}_error" for kind in training.kinds), by_readout, strict=True))
            if losses := self._seen.get(f"{name}/training_loss"):
                line[name]["training_loss"] = float(losses[-1].mean())
        if training.config.record.noise:
            for name, largest in noise_margin(training).items():
                self._note(f"{name}/noise_margin", largest)
        for name, function in self.record.items():
            self._note_own(name, function(training))
        return line

    def state(self) -> dict[str, Tensor]:
        """All that was recorded, as tensors with time in front."""
        return {f"seen/{key}": torch.stack(values) for key, values in self._seen.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        self._seen = {key.removeprefix("seen/"): list(value) for key, value in tensors.items() if key.startswith("seen/")}

    def finish(self, on_progress: Callable[[int], None] = lambda samples: None) -> dict[str, xr.Dataset]:
        """Test the trained networks and hand out everything as datasets.

        Args:
            on_progress: called with the number of test samples judged since its last call.
        """
        training = self.training
        final = training.next_losses()
        for name, loss in final.items():
            self._note(f"{name}/training_loss", loss.mean(-1))
        tested = evaluate(training, on_progress)
        return {
            name: record_of(training, self.steps, model, self._of_network(name), final[name], tested[name]).assign_attrs(
                alignment=json.dumps(asdict(training.alignment(model)))
            )
            for name, model in training.models.items()
        }

    def _note(self, key: str, value: Tensor) -> None:
        self._seen.setdefault(key, []).append(value.detach().cpu().clone())

    def _note_own(self, name: str, value: Any) -> None:
        what = f"record {name} ({place(self.record[name])})"
        by_network = value if isinstance(value, Mapping) else dict.fromkeys(self.training.models, value)
        if unknown := [network for network in by_network if network not in self.training.models]:
            raise InputError(f"{what}: there is no network '{unknown[0]}'; there are {', '.join(self.training.models)}")
        known = [network for network in self.training.models if f"{network}/{_OWN}{name}" in self._seen]
        if not by_network or (known and set(known) != set(by_network)):
            before = f", and of {', '.join(known)} at earlier steps; return the same networks at every step" if known else ""
            raise InputError(f"{what}: gave numbers of {', '.join(by_network) or 'no network'}{before}")
        for network, of_network in by_network.items():
            key, numbers = f"{network}/{_OWN}{name}", self._numbers(what, of_network)
            if (seen := self._seen.get(key)) and seen[0].shape != numbers.shape:
                first, now = tuple(seen[0].shape), tuple(numbers.shape)
                raise InputError(
                    f"{what}: gave the shape {first} at first and {now} at step {self.training.steps_done}; one shape is needed"
                )
            self._note(key, numbers)

    def _numbers(self, what: str, value: Any) -> Tensor:
        """A value for each replica, of a type that the record's file can hold."""
        replicas = self.training.config.replicas
        wanted = f"{what}: expected a number, or an array whose first axis is the {replicas} replicas"
        try:
            numbers = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError):  # PyTorch raises each of them, by what is wrong
            raise InputError(f"{wanted}, got {shown(value)}") from None
        if numbers.is_complex() or numbers.layout != torch.strided:
            raise InputError(f"{wanted}, of real numbers; got {shown(value)}")
        if numbers.dtype in (torch.float16, torch.bfloat16):
            numbers = numbers.float()
        if numbers.dim() == 0:
            numbers = numbers.expand(replicas)
        if len(numbers) != replicas:
            raise InputError(f"{wanted}, got the shape {tuple(numbers.shape)}")
        return numbers

    def _of_network(self, name: str) -> dict[str, Tensor]:
        """Arrays of one network, (replica, time, …); a user's keep their own names."""
        own = {key.removeprefix(f"{name}/"): torch.stack(v, 1) for key, v in self._seen.items() if key.startswith(f"{name}/")}
        return {key.removeprefix(_OWN): value for key, value in own.items()}
