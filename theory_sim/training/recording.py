"""What is seen of a training run: correlations, lucky sets, responses, losses and errors, as labelled arrays.

Each model gives one `xarray.Dataset`:

=================  ==============================================  ====================================================
variable           dimensions                                      meaning
=================  ==============================================  ====================================================
correlation        replica, step, head, neuron, feature            ⟨w_{c,r}, v⟩
bias               replica, step, head, neuron                     b_{c,r}
norm               replica, step, head, neuron                     ‖w_{c,r}‖₂; ⟨w, ζ⟩ ~ N(0, σ_ζ²‖w‖²) for a fresh ζ
output             replica, step, head, neuron                     a_{c,r}; only where it is trained
firing             replica, step, head, neuron, feature            whether v alone activates the neuron: ⟨w, v⟩ + b > 0
lucky              replica, head, neuron, feature                  the same at initialisation
response           replica, step, head, feature                    Σ_r a_{c,r} ReLU(⟨w_{c,r}, v⟩ + b_{c,r})
training_loss      replica, update                                 cross-entropy before each update, and at the end
final_loss         replica, sample                                 its samples at the end
curve_error        replica, step, kind, readout                    easy and hard error on ``test.curve_samples``
test_correct       replica, kind, test_sample, test_readout        probability of the right answer at the end
test_error         replica, kind, test_readout                     one minus its mean
=================  ==============================================  ====================================================

Steps are those of `theory_sim.training.trainer.log_spaced_steps`. Losses are in nats; correlations and responses have the unit
of the weights times the features' norm, which is 1. Attributes hold as JSON texts the ``config``, the labels' ``alignment``
with the coarse target (`theory_sim.labels.functions.Alignment`), and the engine's ``certificate``.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from theory_sim.config import Config
from theory_sim.data.sampler import Batch
from theory_sim.training.engines.dense import StepReport
from theory_sim.training.evaluation import KINDS, evaluate, score
from theory_sim.training.readouts import QUICK_READOUTS, quick_readouts
from theory_sim.training.trainer import Model, ModelName, Training, log_spaced_steps


class Recorder:
    """Watches a `Training`; what it has seen so far can be saved and restored with a checkpoint.

    Args:
        training: the training to watch.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.steps = log_spaced_steps(training.config.training.steps, training.config.record.points)
        samples = training.config.test.curve_samples
        self._curve_set = Batch.joined(
            [training.test_sampler.sample(training.streams(f"curve {kind}"), samples, float(kind == "hard")) for kind in KINDS]
        )
        self._seen: dict[str, list[Tensor]] = {}

    def losses(self, reports: dict[ModelName, StepReport]) -> None:
        """Note the loss of a step."""
        for name, report in reports.items():
            self._note(f"{name}/training_loss", report.loss)

    def record_step(self) -> dict[str, Any] | None:
        """Record the present state if this step is on the schedule; returns the step's log line."""
        if self.training.steps_done not in self.steps:
            return None
        line: dict[str, Any] = {"step": self.training.steps_done}
        for name, model in self.training.models.items():
            bias, output = model.engine.bias, model.engine.output
            correlation = model.engine.correlation(self.training.dictionary)
            response = (output[..., None] * (correlation + bias[..., None]).relu()).sum(2)
            right = score(self._curve_set, model, quick_readouts(self.training, model))
            error = 1 - right.unflatten(1, (len(KINDS), -1)).mean(2)
            for key, value in {
                "correlation": correlation,
                "bias": bias,
                "norm": model.engine.norm(),
                "response": response,
                "curve_error": error,
            }.items():
                self._note(f"{name}/{key}", value)
            if self.training.config.network.train_output:
                self._note(f"{name}/output", output)
            by_readout = error.mean(0)[:, 0].tolist()
            line[name] = dict(zip((f"{kind}_error" for kind in KINDS), by_readout, strict=True))
            if losses := self._seen.get(f"{name}/training_loss"):
                line[name]["training_loss"] = float(losses[-1].mean())
        return line

    def state(self) -> dict[str, Tensor]:
        """All that was seen, as tensors with time in front."""
        return {f"seen/{key}": torch.stack(values) for key, values in self._seen.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        self._seen = {key.removeprefix("seen/"): list(value) for key, value in tensors.items() if key.startswith("seen/")}

    def finish(self, progress: Callable[[int], None] = lambda samples: None) -> dict[ModelName, xr.Dataset]:
        """Test the trained models and hand out everything as datasets.

        Args:
            progress: told the number of test samples judged since it was last called.
        """
        training = self.training
        final = training.next_losses()
        for name, loss in final.items():
            self._note(f"{name}/training_loss", loss.mean(-1))
        correct = evaluate(training, progress)
        return {
            name: _dataset(training.config, self.steps, model, self._model_seen(name), final[name], correct[name]).assign_attrs(
                alignment=json.dumps(asdict(training.alignment(model)))
            )
            for name, model in training.models.items()
        }

    def _note(self, key: str, value: Tensor) -> None:
        self._seen.setdefault(key, []).append(value.detach().cpu().clone())

    def _model_seen(self, name: ModelName) -> dict[str, Tensor]:
        """Arrays of one model, (replica, time, …)."""
        return {key.removeprefix(f"{name}/"): torch.stack(v, 1) for key, v in self._seen.items() if key.startswith(f"{name}/")}


def _dataset(
    config: Config, steps: list[int], model: Model, seen: dict[str, Tensor], final_loss: Tensor, test_correct: Tensor
) -> xr.Dataset:
    neuron, tree = ("replica", "step", "head", "neuron"), config.label_tree
    arrays = {key: value.numpy() for key, value in seen.items()}
    firing = arrays["correlation"] + arrays["bias"][..., None] > 0
    correct = test_correct.cpu().numpy()
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "correlation": ((*neuron, "feature"), arrays["correlation"]),
        "bias": (neuron, arrays["bias"]),
        "norm": (neuron, arrays["norm"]),
        "firing": ((*neuron, "feature"), firing),
        "lucky": (("replica", "head", "neuron", "feature"), firing[:, 0]),
        "response": (("replica", "step", "head", "feature"), arrays["response"]),
        "training_loss": (("replica", "update"), arrays["training_loss"]),
        "final_loss": (("replica", "sample"), final_loss.cpu().numpy()),
        "curve_error": (("replica", "step", "kind", "readout"), arrays["curve_error"]),
        "test_correct": (("replica", "kind", "test_sample", "test_readout"), correct),
        "test_error": (("replica", "kind", "test_readout"), 1 - correct.mean(2)),
    }
    if "output" in arrays:
        variables["output"] = (neuron, arrays["output"])
    certificate = model.engine.certificate()
    return xr.Dataset(
        variables,
        coords={
            "replica": np.arange(config.replicas),
            "step": steps,
            "update": np.arange(arrays["training_loss"].shape[1]),
            "kind": list(KINDS),
            "readout": list(QUICK_READOUTS),
            "test_readout": list(config.transfer.readouts),
            "feature": np.arange(tree.n_nodes),
            "feature_name": ("feature", list(tree.names)),
            "feature_level": ("feature", [len(tree.ancestors(node)) for node in range(tree.n_nodes)]),
            "feature_parent": ("feature", list(tree.parent)),
            "head": np.arange(model.labels.n_classes),
            "head_parent": ("head", model.labels.parent.numpy()),
        },
        attrs={
            "model": model.name,
            "labels": model.labels.name,
            "config": json.dumps(config.model_dump(mode="json")),
            "certificate": json.dumps(certificate and {**asdict(certificate), "total": certificate.total}),
        },
    )
