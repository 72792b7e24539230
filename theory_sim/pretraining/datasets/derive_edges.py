"""Derive the edge table of ImageNet-21k from WordNet 3.0; the package ships what this wrote.

``python -m theory_sim.pretraining.datasets.derive_edges DATA_NOUN SYNSETS`` reads

* ``DATA_NOUN``, the file ``data.noun`` of WordNet 3.0 (Debian's package ``wordnet-base`` has it);
* ``SYNSETS``, the 21,843 synset numbers of ImageNet-21k, one a line (``timm/data/_info/imagenet21k_goog_synsets.txt``).

Of each noun synset the direct hypernyms count (pointer ``@``), never the instance hypernyms (``@i``).
"""

import gzip
import sys
from pathlib import Path

from theory_sim.runtime.errors import InputError
from theory_sim.runtime.storage import write_atomically

TABLE = Path(__file__).parents[1] / "data" / "imagenet21k_edges.txt.gz"
"""One line for each class and each ancestor of one: its synset (``+`` before a class, ``-`` before another), then its
direct hypernyms; sorted."""


def read_hypernyms(data_noun: Path) -> dict[str, list[str]]:
    """Direct hypernyms of every noun synset, by synset number such as ``n00001740``.

    A line of ``data.noun`` is ``offset lex_file n w_cnt word lex_id … p_cnt pointer …``, w_cnt in hexadecimal, and a
    pointer ``symbol offset part source/target``; the licence comes before, on lines that open with a blank.
    """
    hypernyms: dict[str, list[str]] = {}
    with open(data_noun, encoding="ascii") as file:
        for line in file:
            if line.startswith(" "):
                continue
            fields = line.split(" | ")[0].split()
            first = 4 + 2 * int(fields[3], 16)
            pointers = [fields[first + 1 + 4 * i : first + 5 + 4 * i] for i in range(int(fields[first]))]
            hypernyms[f"n{fields[0]}"] = [f"n{offset}" for symbol, offset, part, _ in pointers if (symbol, part) == ("@", "n")]
    return hypernyms


def derive(data_noun: Path, synsets: Path) -> str:
    """The table's text.

    Raises:
        InputError: a class is no noun synset of this WordNet.
    """
    hypernyms = read_hypernyms(data_noun)
    classes = set(synsets.read_text(encoding="ascii").split())
    if unknown := sorted(classes - hypernyms.keys()):
        raise InputError(f"{synsets}: {unknown[0]} is no noun synset of {data_noun}")
    reached: set[str] = set()
    ahead = classes
    while ahead:
        reached |= ahead
        ahead = {above for synset in ahead for above in hypernyms[synset]} - reached
    return "".join(
        f"{'+' if synset in classes else '-'}{' '.join([synset, *sorted(hypernyms[synset])])}\n" for synset in sorted(reached)
    )


def main() -> None:
    """Write the table."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: python -m {__spec__.name} DATA_NOUN SYNSETS")
    try:
        packed = gzip.compress(derive(Path(sys.argv[1]), Path(sys.argv[2])).encode("ascii"), mtime=0)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    write_atomically(TABLE, lambda part: part.write_bytes(packed))


if __name__ == "__main__":
    main()
