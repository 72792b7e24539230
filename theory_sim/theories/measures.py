"""Measures: one number for each replica of a run, which tables, trends and figures read.

A measure is an object: its theory lists it. A study's table ``measures.parquet`` has one row for each cell, replica and measure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.returned import expect_function, place


@dataclass(frozen=True)
class Measure:
    """The contract of a measure.

    Attributes:
        id: its name, such as ``lucky-growth``.
        meaning: what the number is, with its equation.
        of: from results to one number for each replica; NaN where it is not defined.
        unit: of the number; 1 for a pure number.
    """

    id: str
    meaning: str
    of: Callable[[Results], Sequence[float] | np.ndarray]
    unit: str = "1"

    def __post_init__(self) -> None:
        expect("measure: id", self.id, str)
        expect_function(f"measure {self.id}: of", self.of, "results")

    def values(self, results: Results) -> np.ndarray:
        """The numbers, one for each replica.

        Raises:
            InputError: the function gives something else.
        """
        what = f"measure {self.id} ({place(self.of)})"
        given: Any = self.of(results)
        try:
            numbers = np.asarray(given, dtype=float)
        except (TypeError, ValueError):
            raise InputError(f"{what}: expected a number for each replica, got {type(given).__name__}") from None
        if numbers.shape != (results.config.replicas,):
            raise InputError(f"{what}: expected {results.config.replicas} numbers, one for each replica, got {numbers.shape}")
        return numbers
