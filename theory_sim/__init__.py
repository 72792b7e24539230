"""Simulate feature learning in two-layer convolutional ReLU networks, and test its theorems numerically.

The first theory is that of arXiv:2303.16887 (Hong, Cui, Fuxman, Chan, Luo), *Towards Understanding the Effect of Pretraining
Label Granularity*; others are registered in the same way. One way only: `runtime` ← `labels` ← `config` ← `data` ← `training`
← `runs` ← `theories` ← `studies` ← `figures`, `cli`; `pretraining` (real images) needs `runtime`, `labels` and `stats` alone.

Everything here is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
