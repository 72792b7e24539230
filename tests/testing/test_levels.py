"""The level of statistical checks in property tests."""

import pytest
from hypothesis import settings

from theory_sim import testing
from theory_sim.runtime.errors import InputError


def test_a_suite_has_a_false_alarm_as_rarely_as_stated() -> None:
    alpha = testing.false_alarm_level(tests=7, examples=30, suites=1000)
    assert 1 - (1 - alpha) ** (7 * 30) < 1 / 1000 < 1 - (1 - 1.01 * alpha) ** (7 * 30)


def test_examples_are_those_of_the_profile() -> None:
    assert testing.false_alarm_level() == 1 / (1000 * 10 * settings().max_examples)


@pytest.mark.parametrize("name", ["tests", "examples", "suites"])
@pytest.mark.parametrize("number", [0, -5])
def test_wrong_numbers_are_refused(name: str, number: int) -> None:
    """They once gave a negative level or a division by zero."""
    with pytest.raises(InputError, match=f"^false_alarm_level: {name}: expected a whole number, 1 or more, got {number}$"):
        testing.false_alarm_level(**{name: number})
