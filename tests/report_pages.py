"""Shared by the tests of report pages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

STUDY = """
question: Does noise <b>matter</b>?
minutes: 1
config:
  replicas: 2
  tree: {subclasses: 2}
  data: {dim: 16, patches: 20}
  network: {neurons: 4}
  training: {batch: 8, steps: 5}
  transfer: {readouts: [sum_logits]}
  test: {samples: 20, curve_samples: 5}
smoke: {}
grids:
  - {data.noise: [0.25, 0.5]}
comparisons:
  - name: coarse → fine
    before: {model: coarse, where: {data.noise: 0.5}}
    after: {where: {data.noise: 0.5}}
"""
"""A study of two cells, whose question holds HTML."""


@dataclass
class Opened:
    """A page in a browser.

    Attributes:
        page: the browser's page.
        faults: errors, and messages of the console.
        requests: addresses that were asked for, besides the file itself.
    """

    page: Any
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]
