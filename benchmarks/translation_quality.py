"""How well small models translate after up to two hours of training: captions, everyday sentences, six directions.

Each experiment is one recipe and a few commands that a person could type. Models are kept in ``--work``: one that is
finished there is not trained again, only read. Finished experiments stand in ``translation_quality.jsonl``;
``--only multi30k-rnn`` takes some.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from experiments import RECIPES, Experiment, Row, Series, answer, by_minute, minnow, parser_of, told, trained
from record import journal, table

from minnow.data.pairs import Pairs, load_pairs
from minnow.data.split import hold_out_pairs

CAPTIONS = ("test", "test_2017_flickr", "test_2017_mscoco")
TRIED_FIRST = {
    "en": ("Hello, how are you?", "I love you.", "What time is it?", "My name is Anna."),
    "zh": ("你好，你好吗？", "我爱你。", "现在几点了？", "我叫安娜。"),
}
KNOWN = " (stands in the data, maybe in the training part)"
TEST_SHARE, TEST_SEED = 0.03, 1  # another seed than that of the validation part
SCORES = {"bleu": "BLEU", "chrf": "chrF", "tokenised_bleu": "tokenised BLEU"}
KEPT = (*SCORES, "intervals", "signatures", "length_ratio", "directions", "sentences_per_second", "data")
EXPLAINED = """\
One run each, seed 0. **minutes** are from the command's first line to the model on the disk, as the model's provenance
tells; reading, cleaning and the vocabulary are part of them. BLEU and chrF are sacreBLEU's, tokenised BLEU is of
lower-cased Moses words, as older papers count it (of Chinese, all count characters); 95 % intervals stand in brackets;
four beams. The test part of Multi30k is `test_2016_flickr`, on which most papers report. Of Tatoeba three hundredths
were held out here, such that no sentence of either language stands on both sides, which leaves the test with the less
usual ones; it is not the test part that `minnow train` makes of the set. References in Chinese are read in simplified
characters, which are those that the model writes. "By count" is for 43 epochs, to which the recipe of Multi30k came
in its time from English into German, however long they take. **asked**: figures of other people on the test part of
Multi30k are those of Elliott et al. (2017) for recurrent models and of Wu et al. (2021), "Good for Misconceived
Reasons", for a transformer."""

Run = Callable[..., Row]  # takes a work folder and, by ``minutes``, the time in the place of the recipe's


def captions(recipe: str, *languages: str, epochs: int = 0) -> Run:
    """Multi30k, measured on its three test parts; ``epochs`` take the place of the recipe's time, however long each."""
    counted = ("--set", f"training.epochs={epochs}", "--set", "training.max_minutes=0") if epochs else ()

    def run(work: Path, minutes: float) -> Row:
        name = f"{recipe}-{'-'.join(languages)}"
        model = learnt(work / name, recipe, minutes, "--langs", ",".join(languages), *counted)
        return measured(model, "multi30k", CAPTIONS)

    return run


def everyday(recipe: str, data: str, source: str, target: str) -> Run:
    """Tatoeba, measured on what was held out of it; and the sentences that people try first."""

    def run(work: Path, minutes: float) -> Row:
        direction = f"{source}-{target}"
        pairs = load_pairs(data, part="all", languages=(source, target))
        folder = parted(work / f"{data}-{direction}-parts", pairs)
        chosen = ("--langs", f"{source},{target}", "--set", f"pairs.train={folder}")
        model = learnt(work / f"{recipe}-{direction}", recipe, minutes, *chosen)
        found = json.loads(minnow("translate", str(model), *TRIED_FIRST[source], "--json"))["translations"]
        known = set(pairs.sources)
        said = [{"source": one["source"], "text": one["text"], "known": one["source"] in known} for one in found]
        return {**measured(model, str(folder), ("test",)), "tried": said}

    return run


EXPERIMENTS: Mapping[str, tuple[str, Run]] = {
    "multi30k-transformer": ("BLEU ≥ 38 within an hour", captions("multi30k-transformer", "en", "de")),
    "multi30k-long": ("tokenised BLEU ≥ 41.0 in the time it takes", captions("multi30k-long", "en", "de")),
    "multi30k-rnn": ("tokenised BLEU ≥ 34 to 38", captions("multi30k-rnn", "en", "de")),
    "multi30k-en-fr": ("the same recipe into French", captions("multi30k-transformer", "en", "fr")),
    "multi30k-de-en": ("the same recipe the other way", captions("multi30k-transformer", "de", "en")),
    "multi30k-fr-de": ("the same recipe by count", captions("multi30k-transformer", "fr", "de", epochs=43)),
    "multi30k-fr-en": ("the same recipe by count", captions("multi30k-transformer", "fr", "en", epochs=43)),
    "multi30k-de-fr": ("the same recipe by count", captions("multi30k-transformer", "de", "fr", epochs=43)),
    "multi30k-six": (
        "each of six directions within 1 BLEU of its own model",
        captions("multi30k-six", "en", "de", "fr"),
    ),
    "tatoeba-en-fr": ("usable French in 45 minutes", everyday("tatoeba-en-fr", "tatoeba-eng-fra", "en", "fr")),
    "tatoeba-en-fr-long": (
        "the sentences that people try first come out right",
        everyday("tatoeba-en-fr-long", "tatoeba-eng-fra", "en", "fr"),
    ),
    "tatoeba-en-zh": ("what 20,000 pairs give", everyday("tatoeba-en-zh", "tatoeba-eng-cmn", "en", "zh")),
    "tatoeba-zh-en": (
        "the sentences that people try first come out right",
        everyday("tatoeba-zh-en", "tatoeba-eng-cmn", "zh", "en"),
    ),
}


def main() -> None:
    parser = parser_of(series(0), __doc__)
    parser.add_argument(
        "--minutes", type=float, default=0, help="of training each, to try the script out; 0 for the recipes' own"
    )
    given = parser.parse_args()
    answer(series(given.minutes), given, {"minutes": given.minutes} if given.minutes else {})


# Steps


def learnt(folder: Path, recipe: str, minutes: float, *options: str) -> Path:
    """The model of a recipe."""
    limit = ("--set", f"training.max_minutes={minutes}") if minutes else ()
    return trained(folder, "train", "--recipe", str(RECIPES / f"{recipe}.toml"), *options, *limit)


def parted(folder: Path, pairs: Pairs) -> Path:
    """A folder with a train and a test part, line by line beside one another."""
    folder.mkdir(exist_ok=True)
    kept, held = hold_out_pairs(pairs.sources, pairs.targets, TEST_SHARE, TEST_SEED)
    for name, rows in (("train", kept), ("test", held)):
        part = pairs.chosen(rows)
        for language, lines in zip(pairs.directions[0], (part.sources, part.targets), strict=True):
            text = "".join(f"{' '.join(line.split())}\n" for line in lines)
            (folder / f"{name}.{language}").write_text(text, encoding="utf-8")
    return folder


def measured(model: Path, data: str, parts: Sequence[str]) -> Row:
    """What the model tells of itself, and its scores on each part."""
    about = json.loads(minnow("show", str(model), "--json"))
    scores = {part: of_part(model, data, part) for part in parts}
    first = scores[parts[0]]
    return {
        **told(model),
        "parameters": about["parameters"],
        "scores": scores,
        "bleu_curve": [(round(row["seconds"]), row["bleu"]) for row in journal(model)],
        "reached": ", ".join(f"{title} {first[name]:.1f}" for name, title in SCORES.items()),
    }


def of_part(model: Path, data: str, part: str) -> dict[str, Any]:
    found = json.loads(minnow("evaluate", str(model), data, "--part", part, "--json"))
    return {name: found[name] for name in KEPT}


# The page


def series(minutes: float) -> Series:
    experiments = {name: Experiment(asked, partial(run, minutes=minutes)) for name, (asked, run) in EXPERIMENTS.items()}
    return Series(
        "translation_quality",
        "Translation in a given time",
        experiments,
        EXPLAINED,
        details,
        {"parameters": lambda cell: f"{cell['parameters']:,}"},
    )


def details(cell: Row) -> Sequence[str]:
    head = ("", "rows", *SCORES.values(), "sentences/s")
    lines = table(head, [line for part, scores in cell["scores"].items() for line in rows_of(part, scores)])
    lines += ["", f"BLEU of greedy translations of validation pairs by minute: {by_minute(cell['bleu_curve'], 1)}."]
    if "tried" in cell:
        lines += ["", "What people try first, as the model wrote it:", ""]
        lines += [f"- {one['source']}{KNOWN if one['known'] else ''} → {one['text']}" for one in cell["tried"]]
    return lines


def rows_of(part: str, scores: Mapping[str, Any]) -> list[list[str]]:
    """A part as a whole; where it has several directions, each of them below."""
    whole = [part, f"{scores['data']['rows']:,}", *intervals(scores, scores["intervals"])]
    rows = [[*whole, f"{scores['sentences_per_second']:,.0f}"]]
    if len(scores["directions"]) > 1:
        rows += [
            [f"{part}, {one['direction']}", f"{one['rows']:,}", *intervals(one["scores"], one["intervals"]), ""]
            for one in scores["directions"]
        ]
    return rows


def intervals(scores: Mapping[str, float], ends: Mapping[str, Sequence[float]]) -> list[str]:
    return [f"{scores[name]:.1f} [{ends[name][0]:.1f}, {ends[name][1]:.1f}]" for name in SCORES]


if __name__ == "__main__":
    main()
