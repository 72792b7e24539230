"""Real images: pretrain at any label granularity, transfer to the coarse target, and see where it helped.

It imports only `runtime`, `labels` and `stats`, never the simulator. One way only: `hierarchies` → `datasets` → `labelling` →
`models` → `training` → `evaluation` → `study`.
"""

import importlib.util

from theory_sim.runtime.errors import InputError

_PARTS = ("accelerate", "datasets", "pandas", "PIL", "pyarrow", "transformers", "xxhash")


def need_extra() -> None:
    """Make sure that the pipeline's dependencies are installed.

    Raises:
        InputError: one is missing; the message says which install line brings it.
    """
    missing = [name for name in _PARTS if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"this command needs {', '.join(missing)}: pip install 'theory-sim[pretrain]'")
