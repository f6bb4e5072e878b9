"""Each kind of tokenizer keeps the promises of all, and those that are its own."""

import json
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from contracts.tokenizer import TEXTS, TokenizerPromises, quick, texts
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from minnow.errors import BundleError, InputError, RecipeError, UnknownNameError
from minnow.text import portions, vocabularies
from minnow.text.kinds import KINDS
from minnow.text.tokenizer import Encoding, Tokenizer, TokenizerSettings
from minnow.text.vocabularies import count_pieces


def spans(tokenizer: Tokenizer, text: str) -> list[str]:
    return [text[start:end] for start, end in tokenizer.encode(text).offsets]


class TestWord(TokenizerPromises):
    settings = TokenizerSettings(kind="word", min_frequency=1)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("I don't, o'clock 'quoted'", ["I", "don't", ",", "o'clock", "'", "quoted", "'"]),
            ("3.5 kg at 10:30, 1,000.5.", ["3.5", "kg", "at", "10:30", ",", "1,000.5", "."]),
            ("e-mail well-made... No!!", ["e", "-", "mail", "well", "-", "made", "...", "No", "!", "!"]),
            ("我用Python写code，好！", ["我", "用", "Python", "写", "code", "，", "好", "！"]),
            ("ラーメン 한글 각", ["ラ", "ー", "メ", "ン", "한글", "각"]),
            ("👩🏽‍🚀👍🏽🇫🇷🇯🇵 1️⃣❤️", ["👩🏽‍🚀", "👍🏽", "🇫🇷", "🇯🇵", "1️⃣", "❤️"]),
            ("ﬁne Ａ① e\u0301t ｶﾞ", ["ﬁne", "Ａ①", "e\u0301t", "ｶﾞ"]),
            ("नमस्ते\u200b x\x00y", ["नमस्ते", "x", "y"]),
            ("<pad> <unk>", ["<", "pad", ">", "<", "unk", ">"]),
        ],
    )
    def test_words_and_punctuation_stand_apart(self, tokenizer: Tokenizer, text: str, words: list[str]) -> None:
        assert spans(tokenizer, text) == words

    def test_frequent_words_come_first_and_ties_in_order(self) -> None:
        trained = Tokenizer.train(["b a c c", "once"], TokenizerSettings(min_frequency=1, vocab_size=8))
        assert trained.vocabulary[4:] == ("c", "a", "b", "once")
        assert Tokenizer.train(["b a c c"], TokenizerSettings()).vocabulary[4:] == ("c",)

    def test_words_are_joined_as_print_sets_them(self) -> None:
        for text in (
            'the "kettle" is broken, and (said) won\'t take it!',
            "水壶坏了,请尽快处理。",
            "ready at 10:30... the e-mail",
        ):
            trained = Tokenizer.train([text], TokenizerSettings(min_frequency=1))
            assert trained.decode(trained.encode(text).token_ids) == text

    def test_unknown_words_are_shown_as_such(self, tokenizer: Tokenizer) -> None:
        assert tokenizer.decode(tokenizer.encode("the zebra is broken").token_ids) == "the <unk> is broken"

    def test_very_long_words_earn_no_entry(self) -> None:
        trained = Tokenizer.train(["a" * 65, "b" * 64], TokenizerSettings(min_frequency=1))
        assert trained.vocabulary[4:] == ("b" * 64,)


class TestSimplified(TokenizerPromises):
    settings = TokenizerSettings(kind="character", min_frequency=1, simplified=True)


class TestCharacter(TokenizerPromises):
    settings = TokenizerSettings(kind="character", min_frequency=1)

    @quick
    @given(text=st.text(alphabet="".join(sorted(set("".join(TEXTS[:3])))), max_size=30))
    def test_known_characters_come_back(self, tokenizer: Tokenizer, text: str) -> None:
        assert tokenizer.decode(tokenizer.encode(text).token_ids) == tokenizer.normalize(text)

    def test_one_character_may_become_several(self, tokenizer: Tokenizer) -> None:
        assert tokenizer.encode("ﬀe\u0301").offsets == [(0, 1), (0, 1), (1, 3)]


class TestBPE(TokenizerPromises):
    settings = TokenizerSettings(kind="bpe", vocab_size=500)

    def spelled(self, token: str) -> str:
        letters = pre_tokenizers.ByteLevel.alphabet()
        assert set(token) <= set(letters)
        # A piece of a character's bytes cannot be read alone.
        return token if token.isascii() else ""

    @quick
    @given(text=texts)
    def test_every_text_comes_back_normalised(self, tokenizer: Tokenizer, text: str) -> None:
        token_ids = tokenizer.encode(text).token_ids
        assert tokenizer.unk_id not in token_ids
        assert tokenizer.decode(token_ids) == tokenizer.normalize(text)

    def test_a_slice_leaves_the_space_before_a_word_out(self, tokenizer: Tokenizer) -> None:
        assert spans(tokenizer, "the  the") == ["the", " ", "the"]

    def test_too_few_entries_for_the_bytes_is_an_error(self) -> None:
        with pytest.raises(RecipeError, match="at least 260"):
            TokenizerSettings(kind="bpe", vocab_size=259)


class TestWordPiece(TokenizerPromises):
    settings = TokenizerSettings(kind="wordpiece", vocab_size=400, min_frequency=1)

    def spelled(self, token: str) -> str:
        return token.removeprefix("##") if len(token) > 2 else token

    def test_pieces_of_a_word_are_joined_again(self) -> None:
        trained = Tokenizer.train(["walk walks walked talk talks talked"], TokenizerSettings("wordpiece", 40))
        assert "##" in "".join(trained.tokens(trained.encode("talked").token_ids))
        assert trained.decode(trained.encode("walked talks").token_ids) == "walked talks"

    def test_chinese_characters_and_punctuation_have_one_form(self, tokenizer: Tokenizer) -> None:
        assert "壶" in tokenizer.vocabulary
        assert "##壶" not in tokenizer.vocabulary
        assert "##!" not in tokenizer.vocabulary
        assert "##t" in tokenizer.vocabulary

    def test_the_vocabulary_is_filled(self) -> None:
        assert Tokenizer.train(TEXTS * 3, TokenizerSettings("wordpiece", 200)).vocab_size == 200
        assert (
            Tokenizer.train(["水壶坏了", "商店关门"], TokenizerSettings("wordpiece", 12, min_frequency=1)).vocab_size
            == 12
        )


class TestUnigram(TokenizerPromises):
    settings = TokenizerSettings(kind="unigram", vocab_size=400, min_frequency=1)

    def spelled(self, token: str) -> str:
        return token.replace("▁", "")

    @quick
    @given(text=st.text(alphabet="".join(sorted(set("".join(TEXTS[:3]).lower()))), max_size=30))
    def test_known_characters_come_back(self, tokenizer: Tokenizer, text: str) -> None:
        assert tokenizer.decode(tokenizer.encode(text).token_ids) == tokenizer.normalize(text)

    def test_room_that_pieces_leave_goes_to_rare_characters(self) -> None:
        trained = Tokenizer.train(["水壶坏了", "商店关门"], TokenizerSettings("unigram", 12, min_frequency=1))
        assert trained.vocab_size == 12

    def test_more_characters_than_entries_leaves_the_rare_ones_unknown(self) -> None:
        trained = Tokenizer.train(TEXTS, TokenizerSettings("unigram", 20))
        assert trained.vocab_size <= 20
        assert trained.unk_id in trained.encode(TEXTS[2]).token_ids


class TestWhitespace(TokenizerPromises):
    settings = TokenizerSettings(kind="whitespace", min_frequency=1)

    def test_only_white_space_separates(self, tokenizer: Tokenizer) -> None:
        text = "the  kettle\tis broken, and\nthe"
        assert spans(tokenizer, text) == ["the", "kettle", "is", "broken,", "and", "the"]
        assert tokenizer.decode(tokenizer.encode(text).token_ids) == "the kettle is broken, and the"

    def test_a_corpus_may_write_the_unknown_word(self) -> None:
        plain = TokenizerSettings("whitespace", lowercase=False, normalization="none", min_frequency=1)
        trained = Tokenizer.train(["the <unk> of <unk> N <eos> <pad>"], plain)
        assert sorted(trained.vocabulary[4:]) == ["N", "of", "the"]
        assert trained.encode_ids(["the <unk> <eos> of"]) == [trained.encode("the zebra <pad> of").token_ids]
        assert trained.encode("<unk>").token_ids == [trained.unk_id]


@quick
@given(text=texts, kind=st.sampled_from(sorted(KINDS)))
def test_counting_stretch_by_stretch_counts_what_the_whole_text_holds(text: str, kind: str) -> None:
    library = EMPTY[kind]._library
    expected: dict[str, int] = {}
    for piece, _ in library.pre_tokenizer.pre_tokenize_str(EMPTY[kind].normalize(text)):
        expected[piece] = expected.get(piece, 0) + 1
    assert count_pieces(library, [text], KINDS[kind].cut, False) == expected


EMPTY = {kind: Tokenizer.train([], TokenizerSettings(kind)) for kind in KINDS}


@quick
@given(text=texts)
def test_a_long_text_in_segments_is_the_text_at_once(text: str) -> None:
    long = (text + " and so on\n") * 3
    for kind in KINDS:
        trained = EMPTY[kind] if kind != "bpe" else BPE
        whole = trained.encode(long)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(portions, "SEGMENT_LENGTH", 1)
            patch.setattr(portions, "_SEGMENT", portions.CHUNK)
            patch.setattr(portions, "PORTION_LENGTH", 20)
            assert trained.encode_batch(["x", long, "y"])[1] == whole
            assert trained.encode_ids([long, "x"])[0] == whole.token_ids


BPE = Tokenizer.train(TEXTS, TokenizerSettings("bpe"))


def is_old(character: str) -> bool:
    """Whether every Unicode table knows the character: the library's and Python's are of different years."""
    return unicodedata.ucd_3_2_0.category(character) != "Cn"


@quick
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn"]).filter(is_old), max_size=30))
def test_normalising_is_the_unicode_standard(text: str) -> None:
    cased = Tokenizer.train([], TokenizerSettings(lowercase=False))
    assert cased.normalize(text) == unicodedata.normalize("NFKC", text)
    plain = Tokenizer.train([], TokenizerSettings(lowercase=False, normalization="none"))
    assert plain.normalize(text) == text


def test_settings_are_kept_in_the_file(tmp_path: Path) -> None:
    for simplified in (False, True):
        Tokenizer.train(["A"], TokenizerSettings(simplified=simplified)).save(tmp_path / "tokenizer.json")
        assert Tokenizer.load(tmp_path / "tokenizer.json").simplified == simplified
    for lowercase in (False, True):
        for normalization in ("nfkc", "nfc", "none"):
            settings = TokenizerSettings(lowercase=lowercase, normalization=normalization)
            Tokenizer.train(["A"], settings).save(tmp_path / "tokenizer.json")
            loaded = Tokenizer.load(tmp_path / "tokenizer.json")
            assert (loaded.lowercase, loaded.normalization) == (lowercase, normalization)


@pytest.mark.parametrize("kind", KINDS)
def test_both_scripts_of_chinese_are_read_as_one_where_that_is_asked(kind: str, tmp_path: Path) -> None:
    texts = ["現在幾點？ Now!", "现在几点？ Now!"]
    plain, made = (
        Tokenizer.train(texts, TokenizerSettings(kind, 400, min_frequency=1, simplified=simplified))
        for simplified in (False, True)
    )
    made.save(tmp_path / "tokenizer.json")
    for reading in (made, Tokenizer.load(tmp_path / "tokenizer.json"), made.with_special_tokens(["<mask>"])):
        traditional, simplified = map(reading.encode, texts)
        assert traditional == simplified
        assert "".join(reading.decode(traditional.token_ids).split()) == "现在几点?now!"
        assert reading.in_its_script([*texts, "Ａ"]) == [texts[1], texts[1], "Ａ"]  # nothing else is normalised
    assert plain.encode(texts[0]).token_ids != plain.encode(texts[1]).token_ids
    assert plain.in_its_script(texts) == texts


def test_special_tokens_may_be_added_and_no_text_produces_them(tmp_path: Path) -> None:
    for kind in KINDS:
        tokenizer = Tokenizer.train(TEXTS, TokenizerSettings(kind, 300))
        before = tokenizer.encode("the <mask>, <user> kettle")
        extended = tokenizer.with_special_tokens(["<mask>", "<user>", "<pad>"])
        assert extended.vocabulary == (*tokenizer.vocabulary, "<mask>", "<user>")
        assert extended.encode("the <mask>, <user> kettle") == before
        assert tokenizer.mask_id is None
        extended.save(tmp_path / "tokenizer.json")
        loaded = Tokenizer.load(tmp_path / "tokenizer.json")
        assert loaded.mask_id == extended.mask_id == tokenizer.vocab_size
        marked = loaded.encode_marked("the <mask>, kettle")
        assert marked.count(tokenizer.vocab_size) == 1
        assert loaded.encode("the <mask>, <user> kettle") == before
        assert (loaded.frame([7]), loaded.kind) == ([7], kind)
    with pytest.raises(InputError, match="already"):
        tokenizer.with_special_tokens(["the"])


def test_the_chat_template_travels_beside_the_file(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train(["a b"], TokenizerSettings(min_frequency=1))
    tokenizer.save(tmp_path / "tokenizer.json")
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]
    assert Tokenizer.load(tmp_path / "tokenizer.json").chat_template is None
    tokenizer.chat_template = "{{ messages }}"
    tokenizer.save(tmp_path / "tokenizer.json")
    assert Tokenizer.load(tmp_path / "tokenizer.json").chat_template == "{{ messages }}"


def test_settings_are_strict() -> None:
    assert TokenizerSettings.from_dict({"kind": "bpe"}) == TokenizerSettings("bpe")
    with pytest.raises(RecipeError, match="vocab_size"):
        TokenizerSettings.from_dict({"vocabsize": 3})
    for wrong in ({"vocab_size": 4}, {"vocab_size": True}, {"vocab_size": "9"}, {"min_frequency": 0}, {"lowercase": 1}):
        with pytest.raises(RecipeError):
            TokenizerSettings.from_dict(wrong)
    with pytest.raises(UnknownNameError, match="wordpiece"):
        TokenizerSettings(kind="wordpeice")
    with pytest.raises(UnknownNameError, match="nfkc"):
        TokenizerSettings(normalization="nfkd")


def test_another_process_learns_the_same_bytes(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from contracts.tokenizer import TEXTS\n"
        "from minnow.text.kinds import KINDS\n"
        "from minnow.text.tokenizer import Tokenizer, TokenizerSettings\n"
        "for kind in KINDS: Tokenizer.train(TEXTS, TokenizerSettings(kind, 300)).save(Path(sys.argv[1]) / kind)"
    )
    root = Path(__file__).parents[2]
    for seed, parallel in (("1", "true"), ("2", "false")):
        environment = {
            "PYTHONPATH": f"{root}:{root / 'tests'}",
            "PYTHONHASHSEED": seed,
            "TOKENIZERS_PARALLELISM": parallel,
        }
        subprocess.run([sys.executable, "-c", script, str(tmp_path / seed)], check=True, env=environment)
    for kind in KINDS:
        assert (tmp_path / "1" / kind).read_bytes() == (tmp_path / "2" / kind).read_bytes()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("saved") / "tokenizer.json"
    Tokenizer.train(["a b c"], TokenizerSettings(min_frequency=1)).save(path)
    return path.read_text(encoding="utf-8")


def test_damaged_files_are_named_as_such(saved: str, tmp_path: Path) -> None:
    content = json.loads(saved)
    gap = json.loads(saved)
    gap["model"]["vocab"]["a"] = 70
    swapped = json.loads(saved)
    swapped["model"]["vocab"] |= {"<pad>": 1, "<unk>": 0}
    swapped["added_tokens"] = []
    bare = {**content, "normalizer": None}
    for number, damaged in enumerate(["", "[]", "{}", saved[:-40], *map(json.dumps, (gap, swapped, bare))]):
        path = tmp_path / f"{number}.json"
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(BundleError, match=rf"{number}\.json"):
            Tokenizer.load(path)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for missing in ("bytes.json", "absent.json", "."):
        with pytest.raises(BundleError):
            Tokenizer.load(tmp_path / missing)


@quick
@given(data=st.data())
def test_any_damage_is_a_bundle_error_or_a_tokenizer(
    saved: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(saved) - 1))
    length = data.draw(st.integers(0, 30))
    path = tmp_path_factory.mktemp("damaged") / "tokenizer.json"
    path.write_text(saved[:place] + data.draw(st.text(max_size=3)) + saved[place + length :], encoding="utf-8")
    try:
        encoding = Tokenizer.load(path).encode("a b")
    except BundleError:
        return
    assert isinstance(encoding, Encoding)


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_rows_are_still_looked_up_while_others_are_forgotten(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer.train(["one two three four"], TokenizerSettings(kind, min_frequency=1))
    expected = [tokenizer.encode_ids([text]) for text in ("one two", "three four")]
    monkeypatch.setattr("minnow.text.tokenizer.MAX_REMEMBERED", 0)
    rows = tokenizer._ids_of(["one two", "three four"], [lambda row: row] * 2)
    first = next(rows)
    tokenizer.encode_ids(["four"])  # as another thread does in between
    assert [first, next(rows)] == [ids[0] for ids in expected]


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_stretches_as_long_as_a_text_are_not_remembered(kind: str) -> None:
    """Chinese sets no spaces: hundreds of thousands of its texts would be kept."""
    tokenizer = Tokenizer.train(["好 坏 one two"], TokenizerSettings(kind, min_frequency=1))
    texts = [f"{'好坏' * 200}{number}" for number in range(20)]
    mixed = ["one two", f"one {texts[0]} two", *texts]
    assert tokenizer.encode_ids(mixed) == [tokenizer.encode(text).token_ids for text in mixed]
    assert set(tokenizer._ids_of_piece) == {"one", "two"}


def test_stretches_that_wait_to_be_counted_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["好坏好 a", "坏好 a b", "好坏好 a"] * 3
    library, cut = EMPTY["word"]._library, KINDS["word"].cut
    expected = count_pieces(library, texts, cut, False)
    waiting: list[int] = []

    def counted(library: Any, chunks: Counter[str], pieces: Counter[str]) -> None:
        waiting.append(sum(len(chunk) * count for chunk, count in chunks.items()))
        added(library, chunks, pieces)

    added = vocabularies._add_pieces
    monkeypatch.setattr(vocabularies, "_add_pieces", counted)
    monkeypatch.setattr(vocabularies, "MAX_WAITING_CHARACTERS", 8)
    assert count_pieces(library, texts, cut, False) == expected
    assert max(waiting) <= 8 + max(map(len, texts))


def test_training_is_silent_unless_asked(capfd: pytest.CaptureFixture[str]) -> None:
    for kind in KINDS:
        Tokenizer.train(TEXTS, TokenizerSettings(kind))
    assert capfd.readouterr() == ("", "")
    Tokenizer.train(TEXTS, TokenizerSettings("bpe"), progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "pieces" in shown.err
