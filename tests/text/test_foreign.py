"""Tokenizers of other houses give the library's ids and text, and know which tokens play a role."""

import json
from pathlib import Path

import pytest
import tokenizers
from houses import CHATML, HOUSES, TEXTS, byte_level, sentencepiece_bpe, wordpiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minnow.errors import BundleError, InputError
from minnow.text.foreign import ForeignTokenizer
from minnow.text.opening import open_foreign, open_tokenizer
from minnow.text.portions import SEGMENT_LENGTH
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

quick = settings(max_examples=60, suppress_health_check=list(HealthCheck))
texts = st.one_of(
    st.lists(st.sampled_from([*TEXTS, " ", "\n", "😀", "the ", "a", "</s>", "é"])).map("".join), st.text()
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: made(tmp_path_factory.mktemp(name)) for name, made in HOUSES.items()}


def opened(folder: Path) -> Tokenizer:
    return open_tokenizer(folder / "tokenizer.json")


@pytest.mark.parametrize("name", HOUSES)
def test_ids_and_texts_are_the_librarys(name: str, folders: dict[str, Path]) -> None:
    tokenizer = opened(folders[name])
    library = tokenizers.Tokenizer.from_file(str(folders[name] / "tokenizer.json"))
    assert isinstance(tokenizer, ForeignTokenizer)
    for text in [*TEXTS, " leading", "", "two  spaces "]:
        expected = library.encode(text, add_special_tokens=False).ids
        assert tokenizer.encode(text).token_ids == tokenizer.encode_ids([text])[0] == expected
        assert tokenizer.decode(expected) == library.decode(expected)
        if text:
            assert tokenizer.frame(expected) == library.encode(text).ids
    assert tokenizer.vocab_size == library.get_vocab_size()


# A Unigram vocabulary of another house spells its special tokens among its pieces.
@pytest.mark.parametrize("name", [name for name in HOUSES if name != "sentencepiece_unigram"])
@quick
@given(data=st.data())
def test_no_text_gives_a_special_token(name: str, folders: dict[str, Path], data: st.DataObject) -> None:
    tokenizer = opened(folders[name])
    special = set(tokenizer.special_tokens.values()) - {tokenizer.special_tokens.get("unk_token")}
    text = data.draw(texts) + data.draw(st.sampled_from(sorted(special)))
    encoding = tokenizer.encode(text)
    assert not special & set(tokenizer.tokens(encoding.token_ids))
    assert encoding.token_ids == tokenizer.encode_ids(["x", text])[1]
    assert all(0 <= start <= end <= len(text) for start, end in encoding.offsets)


@pytest.mark.parametrize("name", HOUSES)
@quick
@given(text=texts)
def test_what_comes_token_by_token_is_the_text(name: str, folders: dict[str, Path], text: str) -> None:
    tokenizer = opened(folders[name])
    stream = tokenizer.stream()
    token_ids = tokenizer.encode(text).token_ids
    parts = [*map(stream.push, [tokenizer.bos_id, *token_ids, tokenizer.eos_id]), stream.flush()]
    assert "".join(parts) == tokenizer.decode(token_ids)
    assert "\ufffd" in text or not any("\ufffd" in part for part in parts)


def test_bytes_that_never_become_a_character_do_not_hold_the_text_up(folders: dict[str, Path]) -> None:
    for name in ("byte_level", "sentencepiece_bpe"):
        tokenizer = opened(folders[name])
        stream = tokenizer.stream()
        half = next(i for i, token in enumerate(tokenizer.vocabulary) if token in ("<0xF0>", "ð"))
        shown = "".join(stream.push(half) for _ in range(100))
        assert len(shown) > 80
        assert (shown + stream.flush()).count("\ufffd") >= 100 - 1


def test_roles_come_from_the_files_beside(folders: dict[str, Path]) -> None:
    byte, llama, unigram, bert = (opened(folders[name]) for name in HOUSES)
    assert (byte.bos_id, byte.eos_id, byte.pad_id, byte.unk_id) == (1, 2, 2, 0)
    assert (byte.prefix_ids, byte.suffix_ids, byte.chat_template) == ((), (), CHATML)
    assert (llama.bos_id, llama.eos_id, llama.unk_id, llama.pad_id) == (1, 2, 0, 2)
    assert (llama.prefix_ids, llama.suffix_ids, llama.mask_id) == ((1,), (), None)
    assert (unigram.pad_id, unigram.eos_id, unigram.unk_id, unigram.suffix_ids) == (0, 1, 2, (1,))
    assert (bert.unk_id, bert.pad_id, bert.bos_id, bert.eos_id, bert.mask_id) == (0, 1, 2, 3, 4)
    assert (bert.prefix_ids, bert.suffix_ids, bert.lowercase, bert.keeps_spaces) == ((2,), (3,), True, False)
    assert byte.keeps_spaces
    assert llama.keeps_spaces


def test_the_models_files_name_ends_where_the_tokenizers_do_not(tmp_path: Path) -> None:
    folder = byte_level(tmp_path)
    (folder / "tokenizer_config.json").unlink()
    (folder / "config.json").write_text('{"eos_token_id": 2, "bos_token_id": 1, "hidden_size": 4}')
    (folder / "generation_config.json").write_text('{"eos_token_id": [0, 2]}')
    tokenizer = opened(folder)
    assert (tokenizer.eos_id, tokenizer.eos_ids, tokenizer.bos_id) == (0, (0, 2), 1)


def test_settings_may_ask_for_a_beginning_or_leave_it_out(tmp_path: Path) -> None:
    folder = sentencepiece_bpe(tmp_path)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    for more, prefix, suffix in (
        ({"add_bos_token": False}, (), ()),
        ({"add_eos_token": True, "add_bos_token": True}, (1,), (2,)),
    ):
        (folder / "tokenizer_config.json").write_text(json.dumps(config | more))
        tokenizer = opened(folder)
        assert (tokenizer.prefix_ids, tokenizer.suffix_ids) == (prefix, suffix)


def test_special_tokens_are_read_where_they_are_meant(folders: dict[str, Path]) -> None:
    byte, bert = opened(folders["byte_level"]), opened(folders["wordpiece"])
    assert byte.encode_marked("<|im_start|>user")[0] == 1
    assert bert.encode_marked("a [MASK]")[-1] == bert.mask_id
    think = byte.vocabulary.index("<think>")
    assert byte.decode(byte.encode_marked("<think>a<|im_end|>")) == "<think>a"
    assert think in byte.encode_marked("<think>a")


@pytest.mark.parametrize("name", HOUSES)
def test_saving_keeps_pipeline_and_roles(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    tokenizer = opened(folders[name])
    tokenizer.save(tmp_path / "tokenizer.json")
    again = opened(tmp_path)
    for text in TEXTS:
        assert again.encode(text) == tokenizer.encode(text)
    for attribute in ("special_tokens", "eos_ids", "pad_id", "unk_id", "prefix_ids", "suffix_ids", "chat_template"):
        assert getattr(again, attribute) == getattr(tokenizer, attribute)
    extended = tokenizer.with_special_tokens(["<extra>"])
    assert extended.vocabulary == (*tokenizer.vocabulary, "<extra>")
    assert (extended.eos_id, extended.chat_template) == (tokenizer.eos_id, tokenizer.chat_template)


def test_long_texts_are_cut_only_where_it_changes_nothing(folders: dict[str, Path]) -> None:
    text = "a kettle sang " * (SEGMENT_LENGTH // 8)
    for name in HOUSES:
        tokenizer = opened(folders[name])
        library = tokenizers.Tokenizer.from_file(str(folders[name] / "tokenizer.json"))
        assert tokenizer.encode_ids([text, "x"])[0] == library.encode(text, add_special_tokens=False).ids


def test_the_older_files_are_read(folders: dict[str, Path], tmp_path: Path) -> None:
    bert, byte = opened(folders["wordpiece"]), opened(folders["byte_level"])
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "vocab.txt").write_text("\n".join(bert.vocabulary) + "\n", encoding="utf-8")
    old = open_foreign(tmp_path / "bert")
    assert [old.frame(row) for row in old.encode_ids(TEXTS)] == [bert.frame(row) for row in bert.encode_ids(TEXTS)]
    assert (old.mask_id, old.pad_id) == (bert.mask_id, bert.pad_id)

    model = json.loads((folders["byte_level"] / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (tmp_path / "gpt").mkdir()
    (tmp_path / "gpt" / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (tmp_path / "gpt" / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    old = open_foreign(tmp_path / "gpt")
    assert old.encode_ids(TEXTS) == byte.encode_ids(TEXTS)
    assert old.eos_id == 0


def test_files_that_are_no_tokenizer_say_what_to_do(tmp_path: Path) -> None:
    folder = byte_level(tmp_path / "nameless")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").unlink()
    content["added_tokens"] = []
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BundleError, match="eos_token"):
        opened(folder)
    (folder / "tokenizer_config.json").write_text("[1]")
    with pytest.raises(BundleError, match=r"tokenizer_config\.json should hold"):
        opened(folder)
    folder = wordpiece(tmp_path / "unknown")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["unk_token"] = "[ODD]"
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BundleError, match="no token for what is unknown"):
        opened(folder)
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x0e\n")
    for wrong in (tmp_path / "tokenizer.model", tmp_path):
        with pytest.raises(BundleError, match="save_pretrained"):
            open_foreign(wrong)
    with pytest.raises(BundleError, match="there is no tokenizer"):
        open_foreign(tmp_path / "absent")
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(BundleError, match="damaged"):
        open_foreign(tmp_path)
    with pytest.raises(InputError, match="token ids"):
        opened(wordpiece(tmp_path / "bert")).decode([10_000])


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just("<s>"), st.lists(st.integers()), st.just({"content": 3}), st.text()
)


@quick
@given(
    config=st.dictionaries(
        st.sampled_from(["eos_token", "bos_token", "pad_token", "chat_template", "add_bos_token", "eos_token_id"]), ODD
    ),
    name=st.sampled_from(["tokenizer_config.json", "config.json", "special_tokens_map.json"]),
)
def test_odd_settings_give_a_tokenizer_or_one_line(
    config: dict[str, object], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = sentencepiece_bpe(tmp_path_factory.mktemp("odd"))
    (folder / name).write_text(json.dumps(config), encoding="utf-8")
    try:
        tokenizer = opened(folder)
    except BundleError:
        return
    roles = {tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, *tokenizer.eos_ids}
    assert roles <= set(range(tokenizer.vocab_size))
    tokenizer.save(folder / "tokenizer.json")
    assert opened(folder).special_tokens == tokenizer.special_tokens


def test_a_tokenizer_of_this_house_stays_one(tmp_path: Path) -> None:
    Tokenizer.train(TEXTS, TokenizerSettings("bpe")).save(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "a"}))
    assert type(opened(tmp_path)) is Tokenizer
    assert opened(tmp_path).eos_id == 3
