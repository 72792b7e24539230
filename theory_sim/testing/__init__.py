"""Tests for users: hypothesis strategies, and conformance suites for every contract.

`strategies` property-tests code that builds on this package, or a generator of one's own, and compiles what examples call
before Hypothesis measures them; `conformance` checks an
implementation of a contract (a law, a label function, a readout, an engine, a claim, a theory) as the package's own are checked.
Needs ``pip install theory-sim[testing]``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "strategies": ["Drawn", "configs", "drawn_batches", "gradient_settings", "subclasses", "tree_sections", "trees"],
        "conformance": [
            "ConformanceError",
            "check_claim",
            "check_engine",
            "check_label_function",
            "check_law",
            "check_readout",
            "check_theory",
            "require",
        ],
    },
)
