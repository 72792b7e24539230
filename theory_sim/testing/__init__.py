"""Tests for users: hypothesis strategies, and conformance suites for every contract.

To property-test code that builds on this package, let `configs` draw configurations, or `drawn_batches` samples of them:

    from hypothesis import given
    from theory_sim import testing

    @given(testing.configs(replicas=2, **{"data.noise": 0.0}))
    def test_my_code(config):
        ...

`generated` has what a generator of your own makes of any configuration, and tests it against the configuration's law; and
`false_alarm_level` says at which level statistical checks are made. `conformance` checks an implementation of a contract (a law,
a label function, a readout, an engine, a claim, a theory) as the package's own are checked.

The first call of `configs`, `drawn_batches` or `generated`, in the line of ``@given``, compiles the loops that drawing and
training use: a second, or on a machine's first use up to a minute. Hypothesis would count that as the time of the first example,
which its deadline of 0.2 s then ends. Examples take milliseconds, and those of `generated` up to a second: give these tests
``@settings(deadline=None)``.

Needs ``pip install theory-sim[testing]``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "tree_strategies": ["subclasses", "tree_sections", "trees"],
        "config_strategies": ["configs", "gradient_settings"],
        "batch_strategies": ["Drawn", "Generated", "Generator", "drawn_batches", "generated"],
        "levels": ["false_alarm_level"],
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
