"""The environment of processes that are started.

Python looks for modules in the working directory first, where a plugin may be named as one of Python's own, such as
``signal.py``: a process that imported it in its place would die.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

PYTHON_FIRST = {"PYTHONSAFEPATH": "1"}
"""A process with these variables does not look for modules in the working directory."""


@contextmanager
def starting_processes(**more: str) -> Iterator[None]:
    """Within it, processes start with `PYTHON_FIRST`, and with further variables; no other variable is touched."""
    given = PYTHON_FIRST | more
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
