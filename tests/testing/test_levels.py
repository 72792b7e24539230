"""The level of statistical checks in property tests."""

from hypothesis import settings

from theory_sim import testing


def test_a_suite_has_a_false_alarm_as_rarely_as_stated() -> None:
    alpha = testing.false_alarm_level(tests=7, examples=30, suites=1000)
    assert 1 - (1 - alpha) ** (7 * 30) < 1 / 1000 < 1 - (1 - 1.01 * alpha) ** (7 * 30)


def test_examples_are_those_of_the_profile() -> None:
    assert testing.false_alarm_level() == 1 / (1000 * 10 * settings().max_examples)
