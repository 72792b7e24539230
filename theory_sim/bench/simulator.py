"""Speed as ratios, measured in one run on this machine: ours against two autograd loops, and against the floor.

The floor of a step is what a plain computation cannot save: its two matrix products, (B·P × d)(d × classes·m) and back, and the
normal numbers of its noise, B·P·d a replica. Ours can be below it, since few pairs fire and the second product is gathered.

Two rivals (`theory_sim.bench.baselines`) train replica after replica by autograd. ``plain`` makes its data sample by sample,
as scripts
do, and is what the bounds are for; ``vectorised`` draws a batch in as few calls as ours. Of any step that pays the floor,
vectorised ÷ ours is at most vectorised ÷ floor, whatever is done: where that is below a bound, the bound is for plain alone.
The third rival (`theory_sim.bench.jax_loop`) trains all replicas at once, compiled by XLA; it is measured on a CPU where JAX is
installed.

Everything is measured in turns, round after round with a warm-up, so that a machine that is busy with other work slows all
alike; reported are medians. On a CPU one core computes, so that ratios do not depend on how many there are.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from theory_sim.bench import jax_loop
from theory_sim.bench.baselines import PlainLoop, VectorisedLoop
from theory_sim.bench.ratios import wait_for
from theory_sim.config import Config, load_config
from theory_sim.runtime.errors import InputError
from theory_sim.training.engines.dense import DenseEngine
from theory_sim.training.network import Parameters
from theory_sim.training.recording import Recorder
from theory_sim.training.trainer import Training, log_spaced_steps

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
RATIOS = (
    "plain ÷ ours",
    "vectorised ÷ ours",
    "jax ÷ ours",
    "ours ÷ floor",
    "generator ÷ normals",
    "recording ÷ ours",
    "share of matrix rate",
)


@dataclass(frozen=True)
class Bound:
    """What a ratio should be.

    Attributes:
        value: at least or at most this.
        least: whether it is a least value.
    """

    value: float
    least: bool = False

    def holds(self, ratio: float) -> bool:
        """Whether a ratio is on the right side."""
        return ratio >= self.value if self.least else ratio <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.value:g}"


_JAX = Bound(4, least=True)
_ORDINARY = {
    "plain ÷ ours": Bound(2, least=True),
    "jax ÷ ours": _JAX,
    "ours ÷ floor": Bound(1.5),
    "generator ÷ normals": Bound(2),
    "recording ÷ ours": Bound(0.03),
}
BOUNDS: dict[str, dict[str, Bound]] = {
    "A": {"plain ÷ ours": Bound(40, least=True), "jax ÷ ours": _JAX, "generator ÷ normals": Bound(2)},
    "S": _ORDINARY,
    "F": _ORDINARY,
    "M": _ORDINARY,
    "XL": {"share of matrix rate": Bound(0.5, least=True)},
}
"""Which ratio should be what, by size."""


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
        plain: the same step by `PlainLoop`.
        vectorised: the same step by `VectorisedLoop`.
        generator: our fresh data.
        normals: their normal numbers alone.
        products: the two matrix products alone.
        rate: of those products, in operations a second.
        error: relative difference of a weight update from double precision, in norm.
        jax: the same step by `theory_sim.bench.jax_loop.JaxLoop`; None: it was not measured.
    """

    size: str
    replicas: int
    ours: float
    recording: float
    plain: float
    vectorised: float
    generator: float
    normals: float
    products: float
    rate: float
    error: float
    jax: float | None = None

    @property
    def floor(self) -> float:
        """Products and normal numbers."""
        return self.products + self.normals

    def ratios(self, size: Size) -> dict[str, float]:
        """The numbers that count."""
        values = (
            self.plain / self.ours,
            self.vectorised / self.ours,
            None if self.jax is None else self.jax / self.ours,
            self.ours / self.floor,
            self.generator / self.normals,
            self.recording / self.ours,
            _operations(size) * self.replicas / self.ours / self.rate,
        )
        return {name: value for name, value in zip(RATIOS, values, strict=True) if value is not None}


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
    model, sampler, stream = training.models["fine"], training.sampler, training.streams("training")
    recorder, schedule = Recorder(training), log_spaced_steps(_STEPS, config.record.points)
    engine = model.engine
    rivals = {
        which: rival(config, engine.parameters, config.training.step_size["fine"])
        for which, rival in (("plain", PlainLoop), ("vectorised", VectorisedLoop))
    }
    in_jax = None
    if device.type == "cpu" and jax_loop.is_installed():
        in_jax = jax_loop.JaxLoop(config, engine.parameters, config.training.step_size["fine"])
    rows, columns = size.batch * size.patches, size.classes * size.neurons
    x, w = (torch.randn(replicas, n, size.dim, device=device) for n in (rows, columns))
    pre, normal = torch.empty(replicas, rows, columns, device=device), torch.empty_like(x)
    check = training.streams("check")

    def ours() -> None:
        batch = sampler.sample(stream, size.batch, 0.0)
        engine.step(batch, model.labels.assign(batch))

    def products() -> None:
        torch.bmm(x, w.mT, out=pre)
        torch.bmm(pre.mT, x)

    def look() -> None:
        recorder.record_step()
        recorder.restore({})

    work: dict[str, Callable[[], object]] = {
        "ours": ours,
        **{which: torch.enable_grad()(rival.step) for which, rival in rivals.items()},
        **({} if in_jax is None else {"jax": in_jax.step}),
        "generator": lambda: sampler.sample(stream, size.batch, 0.0),
        "normals": lambda: check.normal_(normal),
        "products": products,
        "look": look,
    }
    with torch.no_grad():
        error = _error(config, engine.parameters, device)
        seconds = in_turns(work, device, rounds)
    # Both models are recorded, and only one is stepped here.
    recording = seconds["look"] / 2 * len(schedule) / _STEPS
    rate = _operations(size) * replicas / seconds["products"]
    parts = {key: value / (jax_loop.STEPS if key == "jax" else 1) for key, value in seconds.items() if key != "look"}
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


def in_turns(work: dict[str, Callable[[], object]], device: torch.device, rounds: int) -> dict[str, float]:
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
    wait_for(device)
    start = time.perf_counter()
    for _ in range(calls):
        do()
    wait_for(device)
    return (time.perf_counter() - start) / calls


def _operations(size: Size) -> int:
    """Of the two products of one replica."""
    return 4 * size.batch * size.patches * size.dim * size.classes * size.neurons


def _error(config: Config, parameters: Parameters, device: torch.device) -> float:
    """‖Δ − Δ₆₄‖ / ‖Δ₆₄‖ of one step's weight changes Δ in single and Δ₆₄ in double precision.

    Rounding decides whether a pair fires whose pre-activation is nearly 0, and its patch is in the sum or not: single entries can
    differ by more.
    """
    training = Training(config, device)
    batch = training.next_batch()
    labels = training.models["fine"].labels.assign(batch)
    changes = []
    for dtype in (torch.float32, torch.float64):
        own = Parameters(*(getattr(parameters, part)[:1].to(dtype, copy=True) for part in ("weight", "bias", "output")))
        fields = {k: (v[:1].to(dtype) if v.is_floating_point() else v[:1]) for k, v in vars(batch).items()}
        before = own.weight.clone()
        DenseEngine(own, config.training.step_size["fine"], 0.0).step(type(batch)(**fields), labels[:1])
        changes.append((own.weight - before).double())
    return float((changes[0] - changes[1]).norm() / changes[1].norm())
