"""WordNet, from Debian's package wordnet-base."""

from collections.abc import Iterator

FOLDER = "/usr/share/wordnet"


def entries() -> Iterator[tuple[str, str]]:
    """Yields (word, gloss) of every synset in the order of the files. A gloss is a definition with example sentences."""
    for part in ("noun", "verb", "adj", "adv"):
        with open(f"{FOLDER}/data.{part}", encoding="latin-1") as lines:
            for line in lines:
                synset, bar, gloss = line.partition(" | ")
                if bar:
                    yield synset.split()[4].replace("_", " "), gloss.strip()
