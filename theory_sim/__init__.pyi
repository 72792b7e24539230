from .config import Config as Config
from .config import load_config as load_config
from .data.checks.base import Check as Check
from .data.checks.suite import check_batches as check_batches
from .data.checks.suite import check_data as check_data
from .data.dictionary import Dictionary as Dictionary
from .data.law import PatchLaw as PatchLaw
from .data.law import SampledLaw as SampledLaw
from .data.parts import Coordinates as Coordinates
from .data.parts import Distribution as Distribution
from .data.parts import Extra as Extra
from .data.parts import Gaussian as Gaussian
from .data.parts import Group as Group
from .data.parts import Node as Node
from .data.parts import Nothing as Nothing
from .data.parts import OtherClass as OtherClass
from .data.parts import Uniform as Uniform
from .data.sampler import Batch as Batch
from .data.sampler import Draws as Draws
from .data.sampler import PatchSampler as PatchSampler
from .data.sampler import Sampler as Sampler
from .data.sampler import make_sampler as make_sampler
from .data.setup import Setup as Setup
from .data.setup import law_of as law_of
from .data.setup import make_dictionary as make_dictionary
from .figures import plot as plot
from .labels.alignment import Alignment as Alignment
from .labels.functions import LABEL_FUNCTIONS as LABEL_FUNCTIONS
from .labels.functions import LabelContext as LabelContext
from .labels.functions import LabelFunction as LabelFunction
from .labels.functions import LabelMaker as LabelMaker
from .labels.functions import Samples as Samples
from .labels.functions import by_leaf as by_leaf
from .labels.functions import label_function as label_function
from .labels.functions import place_of as place_of
from .labels.functions import register_label_function as register_label_function
from .labels.tree import LabelTree as LabelTree
from .pretraining.artefacts import load_classifier as load_classifier
from .runs.evaluate import evaluate_on as evaluate_on
from .runs.fit import fit as fit
from .runs.folder import results_folder as results_folder
from .runs.results import Results as Results
from .runs.results import load_results as load_results
from .runs.run import run as run
from .runtime.contracts import ENGINES as ENGINES
from .runtime.contracts import READOUTS as READOUTS
from .runtime.contracts import SETUPS as SETUPS
from .runtime.data_files import DataFile as DataFile
from .runtime.errors import BusyError as BusyError
from .runtime.errors import DivergedError as DivergedError
from .runtime.errors import InputError as InputError
from .runtime.errors import NotCachedWarning as NotCachedWarning
from .runtime.errors import PluginWarning as PluginWarning
from .runtime.errors import WaitingWarning as WaitingWarning
from .runtime.progress import Progress as Progress
from .runtime.progress import progress_bar as progress_bar
from .runtime.provenance import package_version as package_version
from .runtime.registry import Entry as Entry
from .runtime.registry import Registry as Registry
from .runtime.settings import Section as Section
from .runtime.streams import Streams as Streams
from .runtime.streams import streams as streams
from .stats import Estimate as Estimate
from .stats import error_of_rates as error_of_rates
from .stats import error_rate as error_rate
from .stats import gain_of_rates as gain_of_rates
from .stats import gain_over as gain_over
from .stats import mean as mean
from .stats import paired_gain as paired_gain
from .stats import positive_mean as positive_mean
from .stats import proportion as proportion
from .stats import ratio as ratio
from .stats import replicas_needed as replicas_needed
from .stats import slope as slope
from .studies.comparing import Comparison as Comparison
from .studies.comparing import compare as compare
from .studies.shelf import StoredRun as StoredRun
from .studies.shelf import list_runs as list_runs
from .theories.claims import CLAIMS as CLAIMS
from .theories.claims import Claim as Claim
from .theories.claims import ClaimResult as ClaimResult
from .theories.claims import register_claim as register_claim
from .theories.measures import Measure as Measure
from .theories.regime import Assumption as Assumption
from .theories.theory import THEORIES as THEORIES
from .theories.theory import Theory as Theory
from .theories.theory import check_regime as check_regime
from .theories.theory import evaluate_claims as evaluate_claims
from .theories.theory import predict as predict
from .theories.theory import register_theory as register_theory
from .theories.trends import Trend as Trend
from .training.engines.base import Engine as Engine
from .training.engines.base import HeadGroups as HeadGroups
from .training.engines.base import StepReport as StepReport
from .training.engines.base import register_engine as register_engine
from .training.engines.lucky.certificate import Certificate as Certificate
from .training.network import Parameters as Parameters
from .training.network import TwoLayerConvNet as TwoLayerConvNet
from .training.nonlinearity import Nonlinearity as Nonlinearity
from .training.readouts import Readout as Readout
from .training.readouts import choose as choose
from .training.readouts import register_fitted_readout as register_fitted_readout
from .training.readouts import register_readout as register_readout
from .training.recording import Record as Record
from .training.trainer import Model as Model
from .training.trainer import Training as Training

__all__ = [
    "CLAIMS",
    "ENGINES",
    "LABEL_FUNCTIONS",
    "READOUTS",
    "SETUPS",
    "THEORIES",
    "Alignment",
    "Assumption",
    "Batch",
    "BusyError",
    "Certificate",
    "Check",
    "Claim",
    "ClaimResult",
    "Comparison",
    "Config",
    "Coordinates",
    "DataFile",
    "Dictionary",
    "Distribution",
    "DivergedError",
    "Draws",
    "Engine",
    "Entry",
    "Estimate",
    "Extra",
    "Gaussian",
    "Group",
    "HeadGroups",
    "InputError",
    "LabelContext",
    "LabelFunction",
    "LabelMaker",
    "LabelTree",
    "Measure",
    "Model",
    "Node",
    "NotCachedWarning",
    "Nothing",
    "OtherClass",
    "Parameters",
    "PatchLaw",
    "PatchSampler",
    "PluginWarning",
    "Progress",
    "Readout",
    "Record",
    "Registry",
    "Results",
    "SampledLaw",
    "Sampler",
    "Samples",
    "Section",
    "Setup",
    "StepReport",
    "StoredRun",
    "Streams",
    "Theory",
    "Training",
    "Trend",
    "TwoLayerConvNet",
    "Uniform",
    "WaitingWarning",
    "by_leaf",
    "check_batches",
    "check_data",
    "check_regime",
    "choose",
    "compare",
    "error_of_rates",
    "error_rate",
    "evaluate_claims",
    "evaluate_on",
    "fit",
    "gain_of_rates",
    "gain_over",
    "label_function",
    "law_of",
    "list_runs",
    "load_config",
    "load_results",
    "make_dictionary",
    "make_sampler",
    "mean",
    "package_version",
    "paired_gain",
    "place_of",
    "plot",
    "positive_mean",
    "predict",
    "progress_bar",
    "proportion",
    "ratio",
    "register_claim",
    "register_engine",
    "register_fitted_readout",
    "register_label_function",
    "register_readout",
    "register_theory",
    "replicas_needed",
    "results_folder",
    "run",
    "slope",
    "streams",
]
