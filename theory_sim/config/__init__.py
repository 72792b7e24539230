"""The configuration: every parameter of the model, checked, with its symbol, unit, default and source.

`samples` has the sections `tree`, `data`, `hard` and `target`; `training` has `network`, `training`, `transfer` and `seeds`;
`outcome` has `test`, `record` and `claims`. `experiment` puts them together, `defaults` puts a theory's defaults below what is
given, and `loading` reads files.

Source marks, here and throughout the package:

* **[paper]** stated by arXiv:2303.16887's abstract, or quoted from its body by its reviewers;
* **[recalled]** recalled from the paper; its text could not be read again, so it is a parameter;
* **[ours]** our own choice or addition.

Without a mark the default is ours: chosen because both theorems are decided with it in under a minute.
Lengths (``data.noise``, ``hard.noise``) are norms, σ√d, so that they mean the same at every dimension d.
"""

from theory_sim.config.experiment import Config
from theory_sim.config.loading import load_config, stored_config
from theory_sim.config.outcome import ClaimsSettings, RecordSettings, TestSettings
from theory_sim.config.samples import DataSettings, HardSettings, Subclasses, TargetSettings, TreeSettings
from theory_sim.config.training import NetworkSettings, SeedsSettings, TrainingSettings, TransferSettings
from theory_sim.config.values import LABEL_GRANULARITY, STORED, Length, Lengths, Nats, NetworkName, StepSize, Width

__all__ = [
    "LABEL_GRANULARITY",
    "STORED",
    "ClaimsSettings",
    "Config",
    "DataSettings",
    "HardSettings",
    "Length",
    "Lengths",
    "Nats",
    "NetworkName",
    "NetworkSettings",
    "RecordSettings",
    "SeedsSettings",
    "StepSize",
    "Subclasses",
    "TargetSettings",
    "TestSettings",
    "TrainingSettings",
    "TransferSettings",
    "TreeSettings",
    "Width",
    "load_config",
    "stored_config",
]
