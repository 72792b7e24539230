"""Studies: each asks a question, runs a sweep, and answers the question by a statistical decision.

A study is a YAML file in ``configs/studies``; `Study` lists its keys. `theory_sim.studies.decision` has the rules of decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import Field, ValidationError, model_validator

from theory_sim.config import Config
from theory_sim.data.setup import law_of
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.plain_yaml import read_yaml
from theory_sim.runtime.plugins import with_plugins
from theory_sim.runtime.settings import Distinct, Positive, Section, checked, flat, repeated
from theory_sim.theories.theory import claims_of

if TYPE_CHECKING:
    from theory_sim.studies.sweep import Cell

_PACKAGE = Path(__file__).parent.parent
FOLDERS = (_PACKAGE / "study_files", _PACKAGE.parent / "configs" / "studies")
"""The folders of study files: in an installed package, and in a checkout."""

Key = TypeVar("Key")


class Side(Section):
    """One of two models that are compared."""

    model: str = "fine"
    readout: str | None = None
    """Of the configured ones; the first without it."""
    where: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Values of its cell at keys of the grids; together with `Comparison.for_each` they identify one cell."""


class Comparison(Section):
    """An error that should fall from `before` to `after`."""

    name: str
    before: Side
    after: Side
    kind: str = "hard"
    """Of test samples."""
    for_each: str | None = None
    """A key of the grids: there is one comparison for each of its values except null."""
    at_least: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The smallest fall that would matter."""


@dataclass(frozen=True)
class Pair(Generic[Key]):
    """The two cells of a comparison, for one value of its `Comparison.for_each`.

    Attributes:
        comparison: the comparison.
        value: the value of its key `Comparison.for_each`; None if it has none.
        before: key of the cell of its first side.
        after: key of the cell of its second side.
    """

    comparison: Comparison
    value: Any
    before: Key
    after: Key

    @property
    def name(self) -> str:
        """The name of the comparison, with the value."""
        key = self.comparison.for_each
        return self.comparison.name if key is None else f"{self.comparison.name}, {key}={self.value}"


class Study(Section):
    """A question, a sweep, and the rule of its decision."""

    name: str
    question: str
    minutes: Positive
    """Expected duration at full size, on two CPU cores."""
    config: dict[str, Any]
    """Values that differ from the default configuration; sections as in a configuration file."""
    smoke: dict[str, Any]
    """Values that differ further at the small size."""
    grids: Annotated[list[dict[str, Annotated[list[Any], Field(min_length=1)]]], Field(min_length=1)]
    """See `theory_sim.studies.sweep.make_cells`."""
    smoke_grids: list[dict[str, list[Any]]] | None = None
    """Other grids for the small size; None: the same."""
    comparisons: Annotated[list[Comparison], Field(default_factory=list)]
    one_at_a_time: bool = False
    """Whether the study asks at which values of each setting the claims are refuted, instead of comparing models."""

    trends: Annotated[list[str], Distinct, Field(default_factory=list)]
    """Ids of the trends of the theory that the study decides, instead of comparing models."""

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "Study":
        if [bool(self.comparisons), self.one_at_a_time, bool(self.trends)].count(True) != 1:
            raise ValueError("a study has one of comparisons, one_at_a_time: true, and trends")
        # Where each value of a key has a verdict of its own, its name has the key too.
        if twice := repeated([(comparison.name, comparison.for_each) for comparison in self.comparisons]):
            raise ValueError(f"two comparisons have the name '{twice[0][0]}'")
        return self

    def configuration(self, smoke: bool = False) -> Config:
        """The configuration that all cells derive from. Its first readout is that of sides that name none."""
        # A theory's own defaults come first: its networks may be others than those of the default configuration.
        first = {key: self.config[key] for key in ("theory", "plugins") if key in self.config}
        config = checked(Config, first | {"name": self.name}).replace(flat(self.config))
        config = config.replace(flat(self.smoke)) if smoke else config
        if not self.one_at_a_time:
            return config
        from theory_sim.studies.sweep import make_cells

        decisions = len(claims_of(config)) * len(make_cells(config, self.grids_at(smoke)))
        return config.replace({"claims.confidence": 1 - (1 - config.claims.confidence) / decisions})

    def cells(self, smoke: bool = False) -> "list[Cell]":
        """The cells of its sweep."""
        from theory_sim.studies.sweep import make_cells

        return make_cells(self.configuration(smoke), self.grids_at(smoke))

    def pairs(self, cells: "Mapping[Key, Cell]") -> list[Pair[Key]]:
        """The pairs of cells that its comparisons compare.

        Args:
            cells: the cells of its sweep, by any key.

        Raises:
            InputError: a side of a comparison identifies no cell, or several, or a network, readout or kind of sample that
                its cell has not.
        """
        found = [pair for comparison in self.comparisons for pair in _pairs(comparison, cells)]
        for pair in found:
            _check_sides(pair, cells)
        return found

    def grids_at(self, smoke: bool) -> list[dict[str, list[Any]]]:
        """The grids at one of the two sizes."""
        return self.smoke_grids if smoke and self.smoke_grids else self.grids


def study_files() -> list[Path]:
    """The files of all studies that ship with the package."""
    return sorted({path.name: path for folder in FOLDERS for path in folder.glob("*.yaml")}.values())


def all_studies() -> list[Study]:
    """All studies that ship with the package."""
    return [load_study(path) for path in study_files()]


def load_study(name: str | Path, plugins: Sequence[str] = ()) -> Study:
    """A study by its name, or from a YAML file.

    Args:
        name: of a study that ships with the package, or a file; plugins that its configuration names are relative to it.
        plugins: further plugins, relative to the working directory.

    Raises:
        InputError: there is no such study, or the file is not a valid study.
    """
    known = {path.stem: path for path in study_files()}
    path = known.get(str(name), Path(name))
    if path.suffix != ".yaml":
        from theory_sim.studies.grids import GRIDS

        if name in GRIDS:
            raise InputError(f"{name} is a grid of small networks, run by theory-sim study or theory_sim.studies.grids.run_grid")
        raise InputError(f"no study '{name}'; there are {', '.join([*known, *GRIDS])}, or give a .yaml file")
    try:
        tree = {"name": path.stem} | read_yaml(path)
        if isinstance(tree.get("config"), dict):
            with_plugins(path, plugins)(tree["config"])
        return Study.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def _check_sides(pair: "Pair[Key]", cells: "Mapping[Key, Cell]") -> None:
    """Refuse a comparison that names a network, readout or kind of sample that its cells do not have."""
    comparison = pair.comparison
    for side, key in ((comparison.before, pair.before), (comparison.after, pair.after)):
        config = cells[key].config
        there = {
            "network": (side.model, config.networks),
            "readout": (side.readout or config.transfer.readouts[0], config.transfer.readouts),
            "kind of sample": (comparison.kind, tuple(law_of(config).kinds)),
        }
        for what, (name, known) in there.items():
            if name not in known:
                raise InputError(f"comparison '{comparison.name}': there is no {what} '{name}'; there are {', '.join(known)}")


def _pairs(comparison: Comparison, cells: "Mapping[Key, Cell]") -> Iterator[Pair[Key]]:
    """The pairs of one comparison: one for each value of its key, if it has one."""
    before, after, key = comparison.before.where, comparison.after.where, comparison.for_each
    if key is None:
        yield Pair(comparison, None, _only(cells, before), _only(cells, after))
        return
    values: list[Any] = []
    for cell in cells.values():
        value = cell.values.get(key)
        if value is not None and value not in values:  # None: a cell of grids that vary another key
            values.append(value)
            yield Pair(comparison, value, _only(cells, before | {key: value}), _only(cells, after | {key: value}))
    if not values:
        raise InputError(f"comparison '{comparison.name}': for_each: the grids have no values for {key}")


def _only(cells: "Mapping[Key, Cell]", where: Mapping[str, Any]) -> Key:
    found = [id_ for id_, cell in cells.items() if all(cell.values.get(key) == value for key, value in where.items())]
    if len(found) != 1:
        raise InputError(f"a comparison's {dict(where)} identifies {len(found)} cells of the study, not one")
    return found[0]
