"""Simulate feature learning in two-layer convolutional ReLU networks, and decide its theorems by numbers.

The theory is that of arXiv:2303.16887 (Hong, Cui, Fuxman, Chan, Luo), *Towards Understanding the Effect of Pretraining
Label Granularity*. One way only: `tree` → `features` → `data` → `network` → `training` → `recording` → results on disk
(`experiment`) → `claims`.
"""

from theory_sim.config import Config, load_config
from theory_sim.data.checks import check_batches, check_data
from theory_sim.data.sampler import Batch, PatchSampler
from theory_sim.labels.tree import LabelTree
from theory_sim.runs.run import Results, evaluate_on, load_results, run
from theory_sim.runtime.errors import DivergedError, InputError
from theory_sim.runtime.provenance import package_version
from theory_sim.theories.claims import Claim, evaluate_claims
from theory_sim.theories.prediction import predict
from theory_sim.theories.regime import check as check_regime
from theory_sim.training.network import TwoLayerConvNet
from theory_sim.training.trainer import Training

__all__ = [
    "Batch",
    "Claim",
    "Config",
    "DivergedError",
    "InputError",
    "LabelTree",
    "PatchSampler",
    "Results",
    "Training",
    "TwoLayerConvNet",
    "check_batches",
    "check_data",
    "check_regime",
    "evaluate_claims",
    "evaluate_on",
    "load_config",
    "load_results",
    "predict",
    "run",
]
__version__ = package_version()
