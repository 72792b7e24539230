"""Malformed configurations and command lines are refused by one line; see ``tests/strength/malformed.py`` for many more."""

from hypothesis import HealthCheck, given, settings
from strength.malformed import Case, cases, check


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.large_base_example]
)
@given(cases)
def test_malformed_input_is_refused_by_one_line(case: Case) -> None:
    check(case)
