"""Speed as ratios, measured in one run on this machine: ours against a plain autograd loop, and against the floor.

The floor of a step is what cannot be saved: its two matrix products, (B·P × d)(d × classes·m) and back, and the normal
numbers of its noise, B·P·d a replica. Everything is measured in turns, round after round with a warm-up, so that a machine that
is busy with other work slows all alike; reported are medians. On a CPU one core computes, so that ratios do not depend on how
many there are.
"""

import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from theory_sim.config import Config, load_config
from theory_sim.engines.dense import DenseEngine
from theory_sim.errors import InputError
from theory_sim.network import Parameters
from theory_sim.recording import Recorder
from theory_sim.training import Training, log_spaced_steps

_STEPS = 200
"""Steps of the run that recording is counted against, the default configuration's."""


@dataclass(frozen=True)
class Size:
    """What is computed in one step of one model.

    Attributes:
        dim: d.
        patches: P.
        neurons: m per class.
        classes: number of heads.
        batch: B.
        replicas: R, one measurement for each.
    """

    dim: int
    patches: int
    neurons: int
    classes: int
    batch: int
    replicas: tuple[int, ...]


SIZES = {
    "A": Size(100, 2, 10, 2, 20, (64,)),
    "S": Size(256, 16, 32, 2, 128, (1, 16)),
    "F": Size(256, 16, 32, 20, 128, (1, 16)),
    "M": Size(1024, 16, 64, 2, 128, (1, 8)),
    "XL": Size(1024, 64, 512, 40, 1024, (1,)),
}
GPU_ONLY = ("XL",)
RATIOS = ("autograd ÷ ours", "ours ÷ floor", "generator ÷ normals", "recording ÷ ours", "share of matrix rate")


def choose_sizes(text: str | None, device: torch.device) -> list[str]:
    """The sizes that ``--sizes`` names, or all that the device can.

    Raises:
        InputError: no such size, or it needs a CUDA device.
    """
    if text is None:
        return [name for name in SIZES if device.type == "cuda" or name not in GPU_ONLY]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in SIZES:
            raise InputError(f"--sizes {text}: no size '{name}'; there are {', '.join(SIZES)}")
        if name in GPU_ONLY and device.type != "cuda":
            raise InputError(f"--sizes {text}: {name} needs a CUDA device, not {device}")
    return names


@dataclass(frozen=True)
class Line:
    """What a size came to; times are medians in seconds.

    Attributes:
        size: its name.
        replicas: R.
        ours: a step with fresh data, all replicas.
        recording: what recording adds to a step, spread over a run of 200 steps with the default schedule.
        autograd: the same step by an autograd loop over replicas.
        generator: our fresh data.
        normals: their normal numbers alone.
        products: the two matrix products alone.
        rate: of those products, in operations a second.
        error: largest relative difference of a weight update from double precision.
    """

    size: str
    replicas: int
    ours: float
    recording: float
    autograd: float
    generator: float
    normals: float
    products: float
    rate: float
    error: float

    def ratios(self, size: Size) -> dict[str, float]:
        """The numbers that count."""
        values = (
            self.autograd / self.ours,
            self.ours / (self.products + self.normals),
            self.generator / self.normals,
            self.recording / self.ours,
            _operations(size) * self.replicas / self.ours / self.rate,
        )
        return dict(zip(RATIOS, values, strict=True))


class AutogradNet(nn.Module):
    """The network as one would write it down, for the bench alone."""

    def __init__(self, weight: Float[Tensor, "head m d"], bias: Float[Tensor, "head m"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.register_buffer("bias", bias.clone())
        self.bias: Tensor

    def forward(self, x: Float[Tensor, "B P d"]) -> Float[Tensor, "B head"]:
        """F(X)."""
        pre = torch.einsum("crd,bpd->bcrp", self.weight, x) + self.bias[..., None]
        return pre.relu().sum((2, 3))


class AutogradLoop:
    """Training as a plain script does it: replica after replica, fresh data by vectorised calls, autograd, SGD.

    Args:
        config: the model.
        parameters: where to start.
        step_size: η.
    """

    def __init__(self, config: Config, parameters: Parameters, step_size: float) -> None:
        self.config, self.step_size = config, step_size
        self.networks = [AutogradNet(w, b) for w, b in zip(parameters.weight, parameters.bias, strict=True)]

    def step(self) -> None:
        """One step of every replica."""
        for network in self.networks:
            x, labels = self._data(network.weight.device)
            loss = nn.functional.cross_entropy(network(x), labels)
            network.zero_grad()
            loss.backward()
            with torch.no_grad():
                assert network.weight.grad is not None  # noqa: S101 - backward has just filled it
                change = -self.step_size * network.weight.grad
                network.weight.add_(change)
                network.bias.sub_(self.config.bias_decay * change.norm(dim=-1))

    def _data(self, device: torch.device) -> tuple[Float[Tensor, "B P d"], Int[Tensor, " B"]]:
        data, tree = self.config.data, self.config.label_tree
        batch, s = self.config.training.batch, data.feature_patches
        leaf = torch.randint(tree.n_leaves, (batch,), device=device)
        path = tree.paths.to(device)[leaf]
        x = torch.randn(batch, data.patches, data.dim, device=device) * (data.noise / math.sqrt(data.dim))
        place = torch.rand(batch, data.patches, device=device).argsort(1)
        rows = torch.arange(batch, device=device)[:, None]
        low, high = math.sqrt(1 - data.strength_spread), math.sqrt(1 + data.strength_spread)
        for level in range(tree.depth):
            alpha = low + (high - low) * torch.rand(batch, s, device=device)
            x[rows, place[:, level * s : (level + 1) * s], path[:, level, None]] += alpha
        return x, leaf if tree.n_leaves > tree.n_coarse else path[:, 0]


def measure(name: str, replicas: int, device: torch.device, rounds: int = 15, size: Size | None = None) -> Line:
    """Measure one size with one number of replicas.

    Args:
        name: of the size, as in `SIZES`.
        replicas: R.
        device: where.
        rounds: of measurements in turns.
        size: another size, under that name.
    """
    size = SIZES[name] if size is None else size
    config = configuration(size, replicas)
    training = Training(config, device)
    model, sampler, stream = training.models["fine"], training.sampler, training.stream("training")
    recorder, schedule = Recorder(training), log_spaced_steps(_STEPS, config.record.points)
    engine = model.engine
    loop = AutogradLoop(config, engine.parameters, config.training.step_size.fine)
    rows, columns = size.batch * size.patches, size.classes * size.neurons
    x, w = (torch.randn(replicas, n, size.dim, device=device) for n in (rows, columns))
    pre, normal = torch.empty(replicas, rows, columns, device=device), torch.empty_like(x)
    generators = training.stream("check")

    def ours() -> None:
        batch = sampler.sample(stream, size.batch, 0.0)
        engine.step(batch, model.labels.assign(batch))

    def products() -> None:
        torch.bmm(x, w.mT, out=pre)
        torch.bmm(pre.mT, x)

    def normals() -> None:
        for part, generator in zip(normal, generators, strict=True):
            part.normal_(generator=generator)

    def look() -> None:
        recorder.look()
        recorder.restore({})

    work: dict[str, Callable[[], object]] = {
        "ours": ours,
        "autograd": loop.step,
        "generator": lambda: sampler.sample(stream, size.batch, 0.0),
        "normals": normals,
        "products": products,
        "look": look,
    }
    with torch.no_grad():
        error = _error(config, engine.parameters, device)
        work["autograd"] = _with_gradients(loop.step)
        seconds = _in_turns(work, device, rounds)
    # Both models are recorded, and only one is stepped here.
    recording = seconds["look"] / 2 * len(schedule) / _STEPS
    rate = _operations(size) * replicas / seconds["products"]
    parts = {key: seconds[key] for key in ("ours", "autograd", "generator", "normals", "products")}
    return Line(name, replicas, recording=recording, rate=rate, error=error, **parts)


def configuration(size: Size, replicas: int) -> Config:
    """The default data model at a size; the fine model is the one measured."""
    own = min(4, size.patches // 2)
    values = {
        "replicas": replicas,
        "tree.coarse": 2,
        "tree.subclasses": size.classes // 2,
        "data.dim": size.dim,
        "data.patches": size.patches,
        "data.feature_patches": own,
        "hard.feature_noise_patches": 0,
        "hard.noise": 4.0 if size.patches > 2 * own else 0.0,
        "network.neurons": size.neurons,
        "training.batch": size.batch,
    }
    return load_config(overrides=[f"{key}={value}" for key, value in values.items()])


@dataclass(frozen=True)
class Exponent:
    """How cost grows with one size: time or memory ∝ size^value.

    Attributes:
        quantity: ``seconds`` or ``bytes`` of a step with fresh data.
        of: B, P, d or m.
        value: slope of a line through the logarithms.
        sizes: the sizes measured.
        costs: what they cost.
    """

    quantity: str
    of: str
    value: float
    sizes: list[int]
    costs: list[float]


_BASE = Size(512, 32, 128, 4, 128, (1,))
_SIDES = {"B": "batch", "P": "patches", "d": "dim", "m": "neurons"}


def scaling(device: torch.device, rounds: int = 9, base: Size = _BASE, factors: Sequence[int] = (1, 2, 4)) -> Iterator[Exponent]:
    """Exponents of a step's time and, on a CPU, its memory in B, P, d and m."""
    idle = _peak(None) if _memory_is_told(device) else 0.0
    for symbol, field in _SIDES.items():
        sizes = [Size(**{**asdict(base), field: getattr(base, field) * factor}) for factor in factors]
        steps = {str(i): _stepper(size, device) for i, size in enumerate(sizes)}
        with torch.no_grad():
            seconds = _in_turns(steps, device, rounds)
        values = [getattr(size, field) for size in sizes]
        yield _exponent("seconds", symbol, values, [seconds[str(i)] for i in range(len(sizes))])
        if _memory_is_told(device):
            yield _exponent("bytes", symbol, values, [_peak(size) - idle for size in sizes])


def _memory_is_told(device: torch.device) -> bool:
    return device.type == "cpu" and Path("/proc/self/status").exists()


def _exponent(quantity: str, of: str, sizes: list[int], costs: list[float]) -> Exponent:
    slope = float(np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-12)), 1)[0])
    return Exponent(quantity, of, slope, sizes, costs)


def _stepper(size: Size, device: torch.device) -> Callable[[], object]:
    training = Training(configuration(size, 1), device)
    model, stream = training.models["fine"], training.stream("training")

    def step() -> None:
        batch = training.sampler.sample(stream, size.batch, 0.0)
        model.engine.step(batch, model.labels.assign(batch))

    return step


def _peak(size: Size | None) -> float:
    """Most bytes that a process of its own holds while it makes two steps, or none."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send_peak, args=(size, theirs))
    process.start()
    theirs.close()
    try:
        return float(ours.recv())
    except EOFError:
        raise InputError("bench: not enough memory for --scaling") from None
    finally:
        process.join()


def _send_peak(size: Size | None, connection: Any) -> None:
    torch.set_num_threads(1)
    if size is not None:
        step = _stepper(size, torch.device("cpu"))
        with torch.no_grad():
            step(), step()
    connection.send(_most_held())


def _most_held() -> float:
    """Most bytes that this process held. Not of `resource`: its number starts with what the parent held."""
    status = Path("/proc/self/status").read_text()
    return 1024.0 * int(status.split("VmHWM:")[1].split()[0])


@contextmanager
def one_core() -> Iterator[None]:
    """PyTorch on one core."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(cores)


def _in_turns(work: dict[str, Callable[[], object]], device: torch.device, rounds: int) -> dict[str, float]:
    """Median seconds of each, measured one after the other in every round."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    # As many calls in a round as fill 20 ms: short ones are measured together.
    calls: dict[str, int] = {}
    for name, do in work.items():
        do()
        calls[name] = max(1, math.ceil(0.02 / max(1e-6, _seconds(do, 2, device))))
    for _ in range(rounds):
        for name, do in work.items():
            taken[name].append(_seconds(do, calls[name], device))
    return {name: statistics.median(of) for name, of in taken.items()}


def _seconds(do: Callable[[], object], calls: int, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(calls):
        do()
    _wait(device)
    return (time.perf_counter() - start) / calls


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _with_gradients(do: Callable[[], object]) -> Callable[[], object]:
    def inner() -> None:
        with torch.enable_grad():
            do()

    return inner


def _operations(size: Size) -> int:
    """Of the two products of one replica."""
    return 4 * size.batch * size.patches * size.dim * size.classes * size.neurons


def _error(config: Config, parameters: Parameters, device: torch.device) -> float:
    """Largest difference of one step's weight change from double precision, relative to the largest change."""
    training = Training(config, device)
    batch = training.next_batch()
    labels = training.models["fine"].labels.assign(batch)
    changes = []
    for dtype in (torch.float32, torch.float64):
        own = Parameters(*(getattr(parameters, part)[:1].to(dtype, copy=True) for part in ("weight", "bias", "output")))
        fields = {k: (v[:1].to(dtype) if v.is_floating_point() else v[:1]) for k, v in vars(batch).items()}
        before = own.weight.clone()
        DenseEngine(own, config.training.step_size.fine, 0.0).step(type(batch)(**fields), labels[:1])
        changes.append((own.weight - before).double())
    return float((changes[0] - changes[1]).abs().max() / changes[1].abs().max())
