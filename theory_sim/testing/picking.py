"""How a configuration is drawn key by key: each key has its default or another value, and shrinks to its default.

So a reduced example differs from the default configuration in the keys that its failure needs.
"""

import math
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from theory_sim.runtime.settings import Section

_SELDOM = 4
"""One of so many examples has the default of a key whose default makes examples large."""


class Picks:
    """The keys of one configuration that an example draws.

    Args:
        draw: Hypothesis's function.
        fixed: the values that are given, by their keys, such as ``data.dim``.
        default: nested values of the default configuration.
    """

    def __init__(self, draw: Callable[..., Any], fixed: Mapping[str, Any], default: Mapping[str, Any]) -> None:
        self._draw, self._fixed, self._default = draw, fixed, default
        self.values: dict[str, Any] = {}

    def fixed(self, key: str, otherwise: Any) -> Any:
        """The fixed value of a key, or another one where it is not fixed."""
        return self._fixed.get(key, otherwise)

    def pick(self, key: str, others: st.SearchStrategy[Any], seldom: bool = False, default_fits: bool = True) -> Any:
        """The value of a key: the fixed one, else its default or one of the others.

        Args:
            key: such as ``data.dim``.
            others: further values.
            seldom: whether the default makes examples large, so that few have it.
            default_fits: whether the default fits the keys that are drawn already.
        """
        if key in self._fixed:
            return self._fixed[key]
        default = st.just(self.default(key))
        if default_fits and seldom:
            return self._set(key, self._draw(st.integers(0, _SELDOM - 1).flatmap(lambda n: others if n else default)))
        return self._set(key, self._draw(default | others if default_fits else others))

    def number(self, key: str, low: int, high: int, most: float = math.inf, seldom: bool = False) -> int:
        """A whole number from `low` to `high`, or the default; none above `most`."""
        last = max(low, min(high, int(min(most, high))))
        value: int = self.pick(key, st.integers(low, last), seldom, low <= self.default(key) <= most)
        return value

    def section(self, above: str, of: type[Section], given: Mapping[str, Any], own: Mapping[str, st.SearchStrategy[Any]]) -> None:
        """The keys of a section that the theory or the engine defines.

        Args:
            above: the section that it is in, such as ``law``.
            of: its model.
            given: its defaults where the theory changes them.
            own: strategies of keys whose types do not say which values are of use.
        """
        for name, field in of.model_fields.items():
            default = given.get(name, field.get_default(call_default_factory=True))
            key = f"{above}.{name}"
            if key not in self._fixed:
                others = own[name] if name in own else values_of(field.annotation, field.metadata, default)
                self._set(key, self._draw(st.just(default) | others), default)

    def drop(self, above: str) -> None:
        """Forget what was drawn for the keys of a section."""
        self.values = {key: value for key, value in self.values.items() if not key.startswith(above)}

    def default(self, key: str) -> Any:
        """The default of a key."""
        value: Any = self._default
        for part in key.split("."):
            value = value[part]
        return value

    def _set(self, key: str, value: Any, default: Any = ...) -> Any:
        if value != (self.default(key) if default is ... else default):
            self.values[key] = value
        return value


def values_of(annotation: Any, bounds: Sequence[Any], default: Any) -> st.SearchStrategy[Any]:
    """Values of a setting by its type: every choice; numbers from a quarter to four times the default, and 0 and 1 where allowed.

    Settings of other types, such as texts, have their default only: nothing is known about them.
    """
    if annotation is bool:
        return st.booleans()
    if typing.get_origin(annotation) is typing.Literal:
        return st.sampled_from(typing.get_args(annotation))
    if annotation not in (int, float) or default is None:
        return st.just(default)

    def inside(number: float) -> bool:
        above = all(number >= getattr(bound, "ge", number) and number > getattr(bound, "gt", -math.inf) for bound in bounds)
        return above and all(
            number <= getattr(bound, "le", number) and number < getattr(bound, "lt", math.inf) for bound in bounds
        )

    # Smaller numbers than these would be 0 in single precision, or as good as 0.
    low, high = (default / 4, 4 * default) if default else (0.01, 1.0)
    low = max([low, *(bound.ge for bound in bounds if hasattr(bound, "ge"))])
    high = min([high, *(bound.le for bound in bounds if hasattr(bound, "le"))])
    ends = st.sampled_from([annotation(number) for number in (0, 1) if inside(number)] or [default])
    between = st.integers(math.ceil(low), math.floor(high)) if annotation is int else st.floats(low, high)
    return ends | between.filter(inside)
