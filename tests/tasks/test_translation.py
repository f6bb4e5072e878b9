"""Translation as a task: texts in, texts out, into the language asked for, piece by piece where they are long."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pairs import SHAPES, Echo, net, tokenizer

from minnow.decoding import translating
from minnow.decoding.search import Hypothesis
from minnow.decoding.translating import TranslationSettings
from minnow.errors import BundleError, InputError, RecipeError
from minnow.models.text_classifier import TextClassifier, TextClassifierConfig
from minnow.tasks.registry import task_from
from minnow.tasks.signature import Text
from minnow.tasks.translation import Translation, tags
from minnow.text.terms import Terms
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

pytestmark = pytest.mark.usefixtures("one_thread")
ONE = Translation((("en", "de"),))
THREE = Translation((("en", "de"), ("de", "en"), ("en", "fr"), ("fr", "en")), tagged=True)
BEST = TranslationSettings(1)
BYTES = tokenizer()


def tagged() -> Tokenizer:
    return BYTES.with_special_tokens(tags(THREE.targets))


def written(task: Translation, sources: list[str], settings: TranslationSettings = BEST, **more: Any) -> list[str]:
    """The best target of each source, by a model that writes what it reads."""
    return [best[0].text for best in task.translate(Echo(BYTES.vocab_size), BYTES, sources, settings, **more)]


# Languages


def test_the_languages_are_those_of_the_directions() -> None:
    assert (ONE.languages, ONE.targets) == (("de", "en"), ("de",))
    assert (THREE.languages, THREE.targets) == (("de", "en", "fr"), ("de", "en", "fr"))


def test_a_model_that_writes_one_language_need_not_be_told_which() -> None:
    assert ONE.into() == ONE.into("de") == "de"
    assert THREE.into("fr") == "fr"
    with pytest.raises(InputError, match="the model writes de, en, fr; say which: --to de"):
        THREE.into()


@pytest.mark.parametrize(("to", "hint"), [("en", "name one"), ("dee", "did you mean 'de'"), ("", "name one")])
def test_a_language_that_is_not_written_is_refused(to: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"does not write '{to}', but de; .*{hint}"):
        ONE.into(to)
    with pytest.raises(InputError, match="does not write"):
        written(ONE, ["a text"], to=to)


def test_a_tag_says_into_which_language_a_source_goes() -> None:
    tokenizer = tagged()
    plain = BYTES.encode_ids(["Hello"])[0]
    rows = THREE.source_ids(tokenizer, ["Hello", "Hello", ""], ["fr", "de", "fr"])
    french, german = (tokenizer.vocabulary.index(tag) for tag in tags(["fr", "de"]))
    assert rows == [[french, *plain, 3], [german, *plain, 3], [french, BYTES.unk_id, 3]]
    assert ONE.source_ids(BYTES, ["Hello"], ["de"]) == [[*plain, 3]]
    assert ONE.target_ids(BYTES, [" Hello  "]) == [[*plain, 3]]


def test_a_text_that_spells_a_tag_is_not_taken_for_one() -> None:
    tokenizer = tagged()
    (row,) = THREE.source_ids(tokenizer, ["<2fr> Hello <eos>"], ["de"])
    special = {tokenizer.vocabulary.index(tag) for tag in tags(THREE.targets)} | {0, 1, 2, 3}
    assert [token for token in row if token in special] == [row[0], 3]


def test_each_source_may_go_into_another_language_also_where_the_two_were_never_paired() -> None:
    tokenizer = tagged()
    echo = Echo(tokenizer.vocab_size, skipped=1)
    found = THREE.translate(echo, tokenizer, ["Hello", "world", "there"], BEST, ["fr", "de", "en"])
    assert [best[0].text for best in found] == ["Hello", "world", "there"]
    assert ("de", "fr") not in THREE.directions
    asked = {tokenizer.decode(row[1:]): tokenizer.vocabulary[row[0]] for row in echo.read}
    assert asked == {"Hello": "<2fr>", "world": "<2de>", "there": "<2en>"}


def test_special_tokens_are_never_written() -> None:
    """This model wants to begin with the tag that it reads first."""
    tokenizer = tagged()
    (best,) = THREE.translate(Echo(tokenizer.vocab_size), tokenizer, ["Hello"], BEST, "de")
    assert not best[0].text.startswith("<2")
    assert best[0].text.endswith("Hello")
    (best,) = ONE.translate(Echo(BYTES.vocab_size), BYTES, ["\u200b"], BEST)
    assert "<unk>" not in best[0].text


# Texts in pieces


def test_white_space_within_a_sentence_means_nothing() -> None:
    assert written(ONE, ["  Hello \t there,\u00a0world "]) == ["Hello there, world"]


def test_lines_are_translated_one_by_one_and_stay_lines() -> None:
    echo = Echo(BYTES.vocab_size)
    ((best,),) = ONE.translate(echo, BYTES, ["one\n\ntwo three\r\nfour"], BEST)
    assert best.text == "one\n\ntwo three\nfour"
    assert sorted(BYTES.decode(row) for row in echo.read) == ["four", "one", "two three"]


def test_equal_lines_of_one_text_are_drawn_apart() -> None:
    warm = TranslationSettings(sample=True, temperature=40.0, seed=7)
    ((best,), (other,)) = ONE.translate(Echo(BYTES.vocab_size), BYTES, ["one\none\none", "one"], warm)
    drawn = [*best.text.split("\n"), other.text]
    assert len(set(drawn)) == len(drawn) == 4


@pytest.mark.parametrize("space", [" ", ""])
@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One is here. Two is there! Is it three? Four…", ["One is here.", "Two is there!", "Is it three?", "Four…"]),
        ('"Is it one?" she said. "It is." Then two.', ['"Is it one?"', "she said.", '"It is."', "Then two."]),
        ("It costs 3.50 in www.shop.com today. Buy!", ["It costs 3.50 in www.shop.com today.", "Buy!"]),
        ("你好。再见！真的吗？好的。", ["你好。", "再见！", "真的吗？", "好的。"]),
        ("他说：“好的。”然后他走了。真的！？是的。", ["他说：“好的。”然后他走了。", "真的！？", "是的。"]),
        ("no mark at all but quite a few words", ["no mark at all but quite a few words"]),
        ("What?! Really... Yes.", ["What?!", "Really...", "Yes."]),
        ("We met Mr. Smith in St. Ives. It rained.", ["We met Mr. Smith in St. Ives.", "It rained."]),
        ("यह एक वाक्य है। यह दूसरा है।", ["यह एक वाक्य है।", "यह दूसरा है।"]),
        ("هل أنت هنا؟ نعم أنا هنا.", ["هل أنت هنا؟", "نعم أنا هنا."]),
    ],
)
def test_of_a_long_line_sentences_are_translated(text: str, sentences: list[str], space: str) -> None:
    """And put together with a space, which no language sets behind a wide mark, and Chinese nowhere."""
    task = ONE if space else Translation((("en", "zh-Hans"),))
    echo = Echo(BYTES.vocab_size)
    ((whole,),) = task.translate(echo, BYTES, [text], BEST)
    assert [BYTES.decode(row) for row in echo.read] == [text]
    assert whole.text == text
    echo = Echo(BYTES.vocab_size)
    longest = max(map(len, BYTES.encode_ids(sentences)))
    ((joined,),) = replace(task, max_tokens=longest + 1).translate(echo, BYTES, [text], BEST)
    assert sorted(BYTES.decode(row) for row in echo.read) == sorted(sentences)
    assert joined.text == ("" if "。" in text else space).join(sentences)


def test_no_cut_goes_through_a_term() -> None:
    line, terms = "it rained all day in New York and in Sri Lanka too", Terms({"New York": "NY", "Sri Lanka": "SL"})
    for most in range(12, 40):
        held = [piece for piece, _ in replace(ONE, max_tokens=most).pieces(BYTES, line, terms)]
        assert sum(len(terms.places(piece)) for piece in held) == 2, held
    loose = [piece for piece, _ in replace(ONE, max_tokens=16).pieces(BYTES, line)]
    assert "New York" not in " | ".join(loose)


def test_white_space_makes_no_line_long() -> None:
    assert len(replace(ONE, max_tokens=20).pieces(BYTES, "the cat" + " " * 60 + "sat")) == 1


def test_of_several_spellings_of_one_text_the_best_alone_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    search = translating.translate_rows
    monkeypatch.setattr(translating, "translate_rows", lambda *row, **more: given.update(more) or search(*row, **more))
    ONE.translate(Echo(BYTES.vocab_size), BYTES, ["a"], TranslationSettings(2, n_best=2))
    (once,), (twice,) = BYTES.encode_ids(["a"]), BYTES.encode_ids(["aa"])
    assert given["text_of"]([*once, *once]) == given["text_of"](twice) == "aa"


@pytest.mark.parametrize("language", [ONE, THREE], ids=["one", "several"])
def test_nothing_that_a_model_reads_is_longer_than_it_has_learnt(language: Translation) -> None:
    task, longest = replace(language, max_tokens=20), "word " * 500 + "x" * 3000 + "。" * 10
    spelled = tagged() if task.tagged else BYTES
    echo = Echo(spelled.vocab_size, skipped=int(task.tagged))
    ((found,),) = task.translate(echo, spelled, [longest], BEST, "de")
    assert max(map(len, echo.read)) <= 20
    besides = 2 if task.tagged else 1  # the end, and the language
    for more in (0, 1):
        assert len(task.pieces(spelled, "。" * (20 - besides + more))) == 1 + more
    assert "".join(found.text.split()) == "".join(longest.split())
    assert found.finish_reason == "stop"


def test_sentences_are_joined_as_their_own_language_does() -> None:
    task = replace(THREE, directions=(("en", "de"), ("en", "ja")), max_tokens=8)
    spelled = BYTES.with_special_tokens(tags(task.targets))
    echo = Echo(spelled.vocab_size, skipped=1)
    found = task.translate(echo, spelled, ["One. Two. Three."] * 2 + ["One.\nTwo."], BEST, ["ja", "de", "ja"])
    assert [best[0].text for best in found] == ["One.Two.Three.", "One. Two. Three.", "One.\nTwo."]


def test_a_text_of_nothing_stays_nothing() -> None:
    assert written(ONE, ["", "  ", "\n", "Hello", ""]) == ["", "", "", "Hello", ""]
    empty, _ = ONE.translate(Echo(BYTES.vocab_size), BYTES, ["", "Hello"], TranslationSettings(3, n_best=3))
    assert empty == [Text("", 0, "stop", score=0.0)]
    assert ONE.translate(Echo(BYTES.vocab_size), BYTES, [], BEST) == []


def test_a_line_feed_alone_ends_a_line() -> None:
    assert written(ONE, ["She\u2028runs\x0c on.", "a\r\nb\rc\n", "\ufeffHello"]) == ["She runs on.", "a\nb c", "Hello"]


def test_the_n_th_best_of_all_pieces_are_joined() -> None:
    settings = TranslationSettings(4, n_best=3)
    parts = ["Hello there", "", "world"]
    apart = ONE.translate(Echo(BYTES.vocab_size), BYTES, parts, settings)
    (joined,) = ONE.translate(Echo(BYTES.vocab_size), BYTES, ["\n".join(parts)], settings)
    assert len(joined) == 3
    assert len({text.text for text in joined}) == 3
    for rank, text in enumerate(joined):
        ranked = [best[min(rank, len(best) - 1)] for best in apart]  # of nothing there is but one
        assert text.text == "\n".join(one.text for one in ranked)
        assert text.tokens == sum(one.tokens for one in ranked) == len(text.log_probabilities)
        assert text.log_probability == pytest.approx(sum(one.log_probability for one in ranked))
        assert text.finish_reason == "stop"


def test_a_text_of_which_a_piece_was_cut_off_was_cut_off() -> None:
    settings = TranslationSettings(1, max_ratio=0.5, max_extra=0)
    (best,) = ONE.translate(Echo(BYTES.vocab_size), BYTES, ["Hello world\n\n"], settings)
    assert best[0].finish_reason == "length"
    assert best[0].text == "Hello\n"


def test_the_tokens_of_a_text_spell_it() -> None:
    (best,) = ONE.translate(Echo(BYTES.vocab_size), BYTES, ["Hello, world!"], BEST)
    assert "".join(token for token, _ in best[0].log_probabilities).replace("Ġ", " ") == "Hello, world!"
    assert all(found <= 0 for _, found in best[0].log_probabilities)
    assert best[0].to_dict()["text"] == str(best[0]) == "Hello, world!"


def test_whoever_waits_is_told_of_every_piece() -> None:
    told: list[int] = []
    written(ONE, ["one\ntwo", "", "three"], advance=told.append)
    assert sum(told) == 3


def test_order_and_company_change_nothing() -> None:
    texts = ["a longer text than the others, world", "one", "", "Hello there", "one", "你好。"]
    assert written(ONE, texts) == texts
    assert ONE.predict(Echo(BYTES.vocab_size), BYTES, texts) == [
        best[0] for best in ONE.translate(Echo(BYTES.vocab_size), BYTES, texts, TranslationSettings())
    ]


def test_what_is_written_is_spelled_by_the_vocabulary_of_the_target() -> None:
    """Two alphabets of which the n-th letters have one id: the model that copies ids then enciphers."""
    reading = tokenizer("character", ["abcdefgh"])
    reading.target = tokenizer("character", ["stuvwxyz"])
    echo = Echo(reading.vocab_size, target_vocab_size=reading.target.vocab_size)
    ONE.check(echo, reading)
    shift = str.maketrans("abcdefgh", "stuvwxyz")
    (best,) = ONE.translate(echo, reading, ["badge"], BEST)
    assert best[0].text == "badge".translate(shift)
    assert ONE.target_ids(reading, ["badge".translate(shift)]) == ONE.source_ids(reading, ["badge"], ["de"])


# Terms


@pytest.mark.parametrize("tagged_", [False, True])
def test_a_term_stands_at_the_positions_of_its_tokens(tagged_: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def nothing(_: Any, rows: list[list[int]], *__: Any, required: Any, **___: Any) -> list[list[Hypothesis]]:
        asked.extend([rows, required])
        return [[Hypothesis(finish_reason="stop")] for _ in rows]

    monkeypatch.setattr("minnow.decoding.translating.translate_rows", nothing)
    task, spelled = (THREE, tagged()) if tagged_ else (ONE, BYTES)
    terms = Terms({"there": "da", "good day": "Tag"}, ("numbers",))
    texts = ["Hello  there, 7 there", "Good day!", "Cafe\u0301 there", "nothing"]
    task.translate(net("dot", spelled.vocab_size), spelled, texts, BEST, "de", terms=terms)
    rows, required = asked
    shown = [
        [spelled.decode([rows[row][position] for position in positions]).strip() for positions in places]
        for row, places in enumerate(required.places)
    ]
    assert shown == [["there there", "7"], ["Good day"], [""], []]
    assert [len(phrases) for phrases in required.phrases] == [2, 1, 1, 0]


# In the folder


def test_a_word_is_known_where_the_vocabulary_has_it_whole() -> None:
    settings = TokenizerSettings(kind="bpe", vocab_size=300, lowercase=False, normalization="none", min_frequency=1)
    learnt = Tokenizer.train(["a Boston a Boston a Boston"], settings)
    assert [ONE.is_word(learnt, word) for word in ("Boston", "boston", "Bost", "Anna")] == [True, False, False, False]
    words = Tokenizer.train(["a Boston"], replace(settings, kind="word"))
    assert [ONE.is_word(words, word) for word in ("Boston", "Anna")] == [True, False]


@pytest.mark.parametrize("task", [ONE, THREE, replace(ONE, max_tokens=7)])
def test_a_task_comes_back_from_the_manifest(task: Translation) -> None:
    told = json.loads(json.dumps(task.to_dict()))
    assert told["name"] == "translation"
    assert task_from(told) == task


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 2, but this Minnow knows 1"),
        ({"version": None}, "version None"),
        ({"direction": []}, "'direction'.*did you mean 'directions'"),
        ({"directions": None}, "needs the key 'directions'"),
        ({"directions": []}, "pairs of languages"),
        ({"directions": [["en"]]}, "pairs of languages"),
        ({"directions": [["en", "de", "fr"]]}, "pairs of languages"),
        ({"directions": [["en", 3]]}, "directions must be a string"),
        ({"directions": "en-de"}, "directions must be a list"),
        ({"tagged": 1}, "tagged must be true or false"),
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
        ({"max_tokens": "9"}, "max_tokens must be a whole number"),
    ],
)
def test_a_damaged_manifest_is_refused(change: dict[str, Any], words: str) -> None:
    told = {key: value for key, value in (ONE.to_dict() | change).items() if value is not None or key == "version"}
    with pytest.raises(BundleError, match=words):
        task_from(told)


def test_a_task_that_cannot_be_is_the_recipe_s_mistake() -> None:
    with pytest.raises(RecipeError, match="pairs of languages"):
        Translation(())


def test_model_and_vocabularies_must_be_of_one_model() -> None:
    size = BYTES.vocab_size
    ONE.check(Echo(size), BYTES)
    ONE.check(Echo(size + 3), BYTES)
    THREE.check(Echo(size + 3), tagged())
    separate = tokenizer()
    separate.target = tokenizer("character", ["abc"])
    ONE.check(Echo(size, target_vocab_size=separate.target.vocab_size), separate)
    for task, model, given, words in (
        (ONE, TextClassifier(TextClassifierConfig(size, 3)), BYTES, "a text_classifier cannot"),
        (ONE, Echo(size), None, "no tokenizer.json"),
        (ONE, Echo(size - 1), BYTES, f"has {size} tokens, but the model knows {size - 1}"),
        (ONE, Echo(size, target_vocab_size=5), separate, "target_tokenizer.json has 7 tokens, but the model knows 5"),
        (ONE, Echo(size, target_vocab_size=size), BYTES, "target_tokenizer.json is missing"),
        (ONE, Echo(size), separate, "target_tokenizer.json is too much"),
        (THREE, Echo(size), BYTES, "has no token <2de>"),
    ):
        with pytest.raises(BundleError, match=words):
            task.check(model, given)


# Vectors


@pytest.mark.parametrize("kind", SHAPES)
def test_vectors_have_the_length_of_one_and_are_of_their_text_alone(kind: str) -> None:
    model = net(kind, BYTES.vocab_size)
    texts = ["Hello there, world. Good day!", "", "one", "你好。", "one", "  one "]
    vectors = ONE.vectors(model.train(), BYTES, texts)
    assert vectors.shape == (6, model.encode(*_read("one")).shape[-1])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(ONE.vectors(model, BYTES, [text])[0], vector, atol=1e-5)
    np.testing.assert_allclose(vectors[2], vectors[5], atol=1e-5)
    assert np.abs(vectors[0] - vectors[2]).max() > 0.01
    assert ONE.vectors(model, BYTES, []).shape == (0, vectors.shape[1])


def test_a_vector_is_the_mean_of_the_states_of_the_text() -> None:
    model = net("general", BYTES.vocab_size)
    states_SD = model.encode(*_read("Hello"))[0].detach().numpy()
    mean_D = states_SD.mean(0)
    np.testing.assert_allclose(
        ONE.vectors(model, BYTES, ["Hello"])[0], mean_D / np.linalg.norm(mean_D), rtol=1e-4, atol=1e-6
    )


def _read(text: str) -> tuple[Any, Any]:
    (row,) = ONE.source_ids(BYTES, [text], ["de"])
    return torch.tensor([row]), torch.tensor([len(row)])
