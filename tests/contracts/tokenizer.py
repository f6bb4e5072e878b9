"""The promises of a tokenizer; each kind subclasses ``TokenizerPromises`` and says which settings it stands for."""

import random
import time
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minnow.errors import InputError, UnknownNameError
from minnow.text.roles import SPECIAL_TOKENS
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

# Written for these tests: what normalising, cutting and counting places could get wrong.
TEXTS = [
    "The kettle is broken, and the shop won't take it back.",
    "the e-mail said: 3.5 kg, 1,000 pieces, ready at 10:30!",
    "水壶坏了，商店不肯退货。订单号 10086，请尽快处理。",
    "Ein Kaﬀee kostet ３.５０ €, naïve façade, e\u0301tude",
    "カップがｶﾞﾀｶﾞﾀする。ラーメン",
    "한글 텍스트 각 \u1100\u1161\u11a8",
    "👩🏽‍🚀 flew 🇫🇷🇯🇵 with ❤️ and 1️⃣ 👍🏽",
    "a line\nanother\ttabbed   wide\u3000space ",
    "İstanbul STRASSE straße ΣΊΣΥΦΟΣ नमस्ते x_y #tag @me ...",
]
FRAGMENTS = [
    *"abZ 1.,'’-<>\"\n\t中文がー한é\u0301\u0323\u3099ﾞ\u1161\u11a8ᄀﬁ①Ａ\u3000\xa0´İΣß😀🏽\u200d🇫",
    *"\ufe0f\u200b\x00\x1c\x85\u2028\ufeff▁Ġ#\ud800",
    "the ",
    "don't",
    "...",
    "<pad>",
    "<eos>",
    "##a",
    "👩🏽‍🚀",
    "ﷺ",
    "3.5",
]
texts = st.one_of(st.lists(st.sampled_from(FRAGMENTS), max_size=24).map("".join), st.text(max_size=40))
quick = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def with_marks(text: str, start: int, end: int) -> str:
    """The stretch with the whole pile of marks it stands in, because normalising may change their order."""
    while start > 0 and unicodedata.combining(text[start]):
        start -= 1
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return text[start:end]


class TokenizerPromises:
    """What any kind keeps. A subclass sets ``settings`` and says how a token spells what it was made from."""

    settings: TokenizerSettings

    @pytest.fixture(scope="class")
    @classmethod
    def tokenizer(cls) -> Tokenizer:
        return Tokenizer.train(TEXTS * 3, cls.settings)

    def spelled(self, token: str) -> str:
        return token

    def test_the_special_tokens_are_the_first_four(self, tokenizer: Tokenizer) -> None:
        assert tokenizer.vocabulary[:4] == SPECIAL_TOKENS
        assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2, 3)

    def test_the_vocabulary_keeps_within_its_size(self, tokenizer: Tokenizer) -> None:
        assert tokenizer.vocab_size == len(tokenizer.vocabulary) == len(set(tokenizer.vocabulary))
        small = TokenizerSettings(kind=self.settings.kind, vocab_size=264)
        assert Tokenizer.train(TEXTS * 3, small).vocab_size <= 264

    @quick
    @given(text=texts)
    def test_every_way_of_encoding_gives_the_same_ids(self, tokenizer: Tokenizer, text: str) -> None:
        alone = tokenizer.encode(text).token_ids
        assert tokenizer.encode_ids(["before", text, ""]) == [*tokenizer.encode_ids(["before"]), alone, []]
        assert tokenizer.encode_batch(["", text])[1].token_ids == alone

    @quick
    @given(text=texts)
    def test_no_text_gives_padding_begin_or_end(self, tokenizer: Tokenizer, text: str) -> None:
        assert not {tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id} & set(tokenizer.encode(text).token_ids)

    @quick
    @given(text=texts)
    def test_offsets_run_forward_through_the_original_text(self, tokenizer: Tokenizer, text: str) -> None:
        encoding = tokenizer.encode(text)
        assert len(encoding.offsets) == len(encoding.token_ids)
        assert all(0 <= start < end <= len(text) for start, end in encoding.offsets)
        assert encoding.offsets == sorted(encoding.offsets)

    @quick
    @given(text=texts)
    def test_what_stands_at_the_offsets_spells_the_token(self, tokenizer: Tokenizer, text: str) -> None:
        encoding = tokenizer.encode(text)
        for token, token_id, (start, end) in zip(
            tokenizer.tokens(encoding.token_ids), encoding.token_ids, encoding.offsets, strict=True
        ):
            if token_id != tokenizer.unk_id:
                assert self.spelled(token).strip() in tokenizer.normalize(with_marks(text, start, end))

    @quick
    @given(text=texts)
    def test_decoding_accepts_what_encoding_gives(self, tokenizer: Tokenizer, text: str) -> None:
        token_ids = tokenizer.encode(text).token_ids
        framed = [tokenizer.bos_id, *token_ids, tokenizer.eos_id, tokenizer.pad_id]
        assert tokenizer.decode(framed) == tokenizer.decode(token_ids)

    @quick
    @given(text=texts, most=st.integers(1, 9))
    def test_cutting_keeps_the_asked_ends(self, tokenizer: Tokenizer, text: str, most: int) -> None:
        (whole,) = tokenizer.encode_ids([text])
        (first,) = tokenizer.encode_ids([text], most, "first")
        (last,) = tokenizer.encode_ids([text], most, "last")
        (both,) = tokenizer.encode_ids([text], most, "both")
        assert first == whole[:most]
        assert last == whole[-most:]
        assert both == (whole if len(whole) <= most else whole[: (most + 1) // 2] + whole[len(whole) - most // 2 :])

    def test_the_file_is_the_whole_tokenizer(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        tokenizer.save(tmp_path / "tokenizer.json")
        loaded = Tokenizer.load(tmp_path / "tokenizer.json")
        loaded.save(tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()
        assert loaded.encode_batch([*TEXTS, "<pad>"]) == tokenizer.encode_batch([*TEXTS, "<pad>"])
        assert (loaded.kind, loaded.lowercase, loaded.normalization) == (self.settings.kind, True, "nfkc")

    def test_the_order_of_the_data_changes_nothing(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        shuffled = TEXTS * 3
        random.Random(7).shuffle(shuffled)
        tokenizer.save(tmp_path / "one.json")
        Tokenizer.train(iter(shuffled), self.settings).save(tmp_path / "two.json")
        assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()

    def test_an_id_outside_the_vocabulary_is_an_error(self, tokenizer: Tokenizer) -> None:
        for wrong in (-1, tokenizer.vocab_size):
            with pytest.raises(InputError, match=str(wrong)):
                tokenizer.decode([0, wrong])

    @quick
    @given(st.lists(texts, max_size=4), st.integers(1, 6), st.sampled_from(["first", "last", "both"]))
    def test_a_cut_row_is_the_whole_row_cut(
        self, tokenizer: Tokenizer, many: list[str], most: int, keep: Literal["first", "last", "both"]
    ) -> None:
        head = {"first": most, "last": 0, "both": (most + 1) // 2}[keep]
        for whole, short in zip(tokenizer.encode_ids(many), tokenizer.encode_ids(many, most, keep), strict=True):
            assert short == (whole if len(whole) <= most else whole[:head] + whole[len(whole) - most + head :])

    def test_impossible_cuts_are_errors(self, tokenizer: Tokenizer) -> None:
        with pytest.raises(InputError, match="max_tokens"):
            tokenizer.encode_ids(["a"], 0)
        with pytest.raises(UnknownNameError, match="first"):
            tokenizer.encode_ids(["a"], 3, "frist")  # type: ignore[arg-type]

    def test_no_data_still_gives_a_tokenizer(self) -> None:
        empty = Tokenizer.train([], self.settings)
        assert empty.vocabulary[:4] == SPECIAL_TOKENS
        assert empty.decode(empty.encode("a b").token_ids)

    def test_a_text_without_spaces_takes_time_in_proportion(self, tokenizer: Tokenizer) -> None:
        def seconds(text: str) -> float:
            start = time.process_time()
            tokenizer.encode_ids([text])
            return time.process_time() - start

        # Quadratic work would take 256 times as long.
        assert seconds("xa" * 160_000) < 64 * max(seconds("xa" * 10_000), 0.004)

    def test_a_long_word_is_trained_on_in_proportion(self) -> None:
        start = time.process_time()
        Tokenizer.train(["ab" * 100_000 + "中" * 100_000], self.settings)
        assert time.process_time() - start < 5
