"""The level of statistical checks in property tests."""

import math

from hypothesis import settings

from theory_sim.runtime.returned import expect_count


def false_alarm_level(tests: int = 10, examples: int | None = None, suites: int = 1000) -> float:
    """α for the statistical checks of property tests, so that correct code fails in fewer than one of `suites` test suites:

        α = 1 / (suites · tests · examples).

    A *false alarm* is a check that fails by chance though the generator is right. `theory_sim.data.checks.suite.check_batches`
    makes about 200 tests and corrects their p-values together (Holm), so that each call has a false alarm with probability at
    most α, however many tests it makes. A suite makes a call for each example of each property test, and a single false alarm
    fails it: by the union bound its probability is at most tests · examples · α. With Hypothesis's 100 examples and ten property
    tests, α = 10⁻³ for each call would fail most suites (63 %); α = 10⁻⁶ fails one in 1,000. What Hypothesis runs after a
    failure, to reduce it, adds none.

    A small α costs few samples, because the tails of the tests fall like exp(−z²/2): with 200 tests, an effect must be 4.6
    standard errors large for α = 10⁻³, and 5.8 for 10⁻⁶, which takes 1.6 times as many samples to find the same fault.

    Args:
        tests: property tests of a suite that make statistical checks.
        examples: of each; None: ``max_examples`` of Hypothesis's current profile.
        suites: in how many runs of the suite one false alarm is accepted.

    Raises:
        InputError: a number is less than 1 or no whole number.
    """
    counts = {"tests": tests, "examples": settings().max_examples if examples is None else examples, "suites": suites}
    for name, count in counts.items():
        expect_count(f"false_alarm_level: {name}", count)
    return 1 / math.prod(counts.values())
