"""What intervals cannot show, as lines below a table."""

from collections.abc import Iterable


def note_lines(notes: Iterable[tuple[str, Iterable[str]]], many: str) -> list[str]:
    """A line for each note, with the names of the intervals that carry it, or their number where they have none.

    Args:
        notes: the name and the notes of each interval.
        many: what the intervals belong to, such as ``claims``.
    """
    of: dict[str, list[str]] = {}
    total = 0
    for name, own in notes:
        total += 1
        for note in own:
            of.setdefault(note, []).append(name)

    def which(names: list[str]) -> str:
        if len(names) == total:
            return f"all {many}"
        return ", ".join(names) if all(names) else f"{len(names)} of {total} {many}"

    return [f"note: {note} ({which(names)})" for note, names in of.items()]
