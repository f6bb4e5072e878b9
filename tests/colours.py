"""Small data with a known answer: texts in which a few words hint at the colour that is their label."""

import random
from pathlib import Path

HINTS = {
    "red": ["apple", "cherry", "ruby", "rose", "blood"],
    "blue": ["sky", "ocean", "navy", "whale", "sapphire"],
    "green": ["grass", "leaf", "frog", "moss", "森林"],
}
OTHERS = ["the", "of", "to", "is", "on", "my", "very", "this", "some", "and", "with", "for"]


def rows(num_rows: int, seed: int = 0, colours: str = "red blue green") -> list[tuple[str, str]]:
    """Texts with their colour; two or more words of a text hint at it, and one text in ten hints at another too."""
    random_ = random.Random(seed)
    made = []
    for _ in range(num_rows):
        colour = random_.choice(colours.split())
        words = random_.choices(OTHERS, k=random_.randint(3, 9)) + random_.choices(HINTS[colour], k=2)
        if random_.random() < 0.1:
            words.append(random_.choice(HINTS[random_.choice(list(HINTS))]))
        random_.shuffle(words)
        made.append((" ".join(words), colour))
    return made


def csv_file(path: Path, labelled: list[tuple[str, str]]) -> Path:
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in labelled), encoding="utf-8")
    return path
