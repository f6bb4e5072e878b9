"""Tokenizers of other houses give the library's ids and text, and know which tokens play a role."""

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from houses import CHATML, HOUSES, TEXTS, byte_level, sentencepiece_bpe, wordpiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from minnow.errors import BundleError, InputError
from minnow.text import portions
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
    assert bert.as_written("User: É") == "user: é"
    assert byte.keeps_spaces
    assert llama.keeps_spaces


def test_the_models_files_name_ends_where_the_tokenizers_do_not(tmp_path: Path) -> None:
    folder = byte_level(tmp_path)
    (folder / "tokenizer_config.json").unlink()
    (folder / "config.json").write_text('{"eos_token_id": 2, "bos_token_id": 1, "hidden_size": 4}')
    (folder / "generation_config.json").write_text('{"eos_token_id": [0, 2]}')
    tokenizer = opened(folder)
    assert (tokenizer.eos_id, tokenizer.eos_ids, tokenizer.bos_id) == (0, (0, 2), 1)


def test_what_stands_around_a_text_is_the_pipelines_to_say(tmp_path: Path) -> None:
    """As in transformers, which passes over these settings where there is a ``tokenizer.json``."""
    folder = sentencepiece_bpe(tmp_path)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    for more in ({"add_bos_token": False}, {"add_eos_token": True, "add_bos_token": True}):
        (folder / "tokenizer_config.json").write_text(json.dumps(config | more))
        tokenizer = opened(folder)
        assert (tokenizer.prefix_ids, tokenizer.suffix_ids) == ((1,), ())
        assert not more.keys() & tokenizer.config().keys()


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


LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def metaspace(scheme: str, split: bool = True) -> Any:
    return pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)


PIPELINES: dict[str, Any] = {
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "gpt2-prefix": pre_tokenizers.ByteLevel(add_prefix_space=True),
    "llama3": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
    "metaspace-first": metaspace("first"),
    "metaspace-always": metaspace("always"),
    "metaspace-whole": metaspace("never", split=False),
    "before": pre_tokenizers.Split(" ", "merged_with_previous"),
    "bert": pre_tokenizers.BertPreTokenizer(),
    "none": None,
}


def learnt(pre_tokenizer: Any) -> tokenizers.Tokenizer:
    """BPE with tokens over every border that the pipeline leaves open."""
    library = tokenizers.Tokenizer(models.BPE(unk_token="</s>"))
    if pre_tokenizer is not None:
        library.pre_tokenizer = pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(["a b. a.\nb a\nb a  b a\n\nb a.\n 1 2\n水 水。\n水 "] * 9, trainer)
    return library


@pytest.mark.parametrize("name", PIPELINES)
def test_the_portions_of_a_text_have_the_ids_of_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = learnt(PIPELINES[name])
    tokenizer = ForeignTokenizer(tokenizers.Tokenizer.from_str(library.to_str()))
    monkeypatch.setattr(portions, "SEGMENT_LENGTH", 1)  # cut wherever it is allowed
    parts = st.sampled_from(["a", "b", "1", ".", "\n", " ", "  ", "\t", "水", "。", "_", "'s", "\u2028", "\r\n"])

    @quick
    @given(text=st.lists(parts, max_size=30).map("".join))
    def same(text: str) -> None:
        expected = library.encode(text, add_special_tokens=False)
        assert tokenizer.encode_ids([text])[0] == tokenizer.encode(text).token_ids == expected.ids

    same()
    pieces = [segment for portion in portions.portions(["a b.\nb 1"], tokenizer._places) for *_, segment in portion]
    assert len(pieces) == {"gpt2": 4, "llama3": 4, "bert": 4, "metaspace-whole": 1, "before": 1, "none": 1}.get(name, 3)


def test_added_tokens_that_take_white_space_along_stay_whole() -> None:
    for token in (tokenizers.AddedToken("a b", normalized=False), tokenizers.AddedToken("a", rstrip=True)):
        library = learnt(PIPELINES["gpt2"])
        library.add_tokens([token])
        tokenizer = ForeignTokenizer(tokenizers.Tokenizer.from_str(library.to_str()))
        text = "a b " * SEGMENT_LENGTH
        assert tokenizer.encode_ids([text])[0] == library.encode(text).ids


def written_apart(library_file: Path, folder: Path, **config: Any) -> Path:
    """The vocabulary and merges of a tokenizer.json as two files."""
    model = json.loads(library_file.read_text(encoding="utf-8"))["model"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_the_older_files_are_read(folders: dict[str, Path], tmp_path: Path) -> None:
    bert, byte = opened(folders["wordpiece"]), opened(folders["byte_level"])
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "vocab.txt").write_text("\n".join(bert.vocabulary) + "\n", encoding="utf-8")
    old = open_foreign(tmp_path / "bert")
    assert [old.frame(row) for row in old.encode_ids(TEXTS)] == [bert.frame(row) for row in bert.encode_ids(TEXTS)]
    assert (old.mask_id, old.pad_id) == (bert.mask_id, bert.pad_id)

    old = open_foreign(written_apart(folders["byte_level"] / "tokenizer.json", tmp_path / "gpt"))
    assert old.encode_ids(TEXTS) == byte.encode_ids(TEXTS)
    assert old.eos_id == 0
    folder = written_apart(folders["byte_level"] / "tokenizer.json", tmp_path / "framed", add_bos_token=True)
    assert (open_foreign(folder).prefix_ids, open_foreign(folder).suffix_ids) == ((0,), ())


def test_a_vocabulary_may_hold_separators_of_lines_and_leave_chinese_whole(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2028", "\x85", "", "水", "水壶", "kettle"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    assert open_foreign(tmp_path).encode_ids(["kettle 水"]) == [[9, 7]]
    assert open_foreign(tmp_path).vocabulary == tuple(tokens)
    assert open_foreign(tmp_path).encode_ids(["水壶"]) == [[7, 1]]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenize_chinese_chars": False}))
    assert open_foreign(tmp_path).encode_ids(["水壶"]) == [[8]]


def test_tokens_that_were_added_to_older_files_are_there(folders: dict[str, Path], tmp_path: Path) -> None:
    source = folders["byte_level"] / "tokenizer.json"
    size = len(json.loads(source.read_text(encoding="utf-8"))["model"]["vocab"])
    tables = {
        str(size + 1): {"content": "<|two|>", "special": True, "normalized": False, "rstrip": False},
        str(size): {"content": "<one>", "special": False, "normalized": False},
        "0": {"content": "<|endoftext|>", "special": True},
    }
    for number, (config, added) in enumerate(
        (
            ({"added_tokens_decoder": tables}, {}),
            ({"additional_special_tokens": ["<|two|>"]}, {"<|two|>": size + 1, "<one>": size}),
        )
    ):
        folder = written_apart(source, tmp_path / f"gpt{number}", **config)
        (folder / "added_tokens.json").write_text(json.dumps(added))
        tokenizer = open_foreign(folder)
        assert tokenizer.vocabulary[size:] == ("<one>", "<|two|>")
        assert tokenizer.encode_ids(["<one>"]) == [[size]]
        assert size + 1 not in tokenizer.encode_ids(["<|two|>"])[0]  # which no text can write
        assert tokenizer.encode_marked("<|two|>") == [size + 1]
    (folder / "added_tokens.json").write_text(json.dumps({"<one>": size + 7}))
    with pytest.raises(BundleError, match=rf"'<one>' was added as {size + 7} .* but would be {size}"):
        open_foreign(folder)
    (tmp_path / "vocab.txt").write_text("\n".join(["[UNK]", "[CLS]", "[SEP]"]))
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[MORE]": 3}))
    assert open_foreign(tmp_path).vocabulary[3:] == ("[MORE]",)


def test_older_files_of_a_kind_that_cuts_in_another_way_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = written_apart(
        folders["byte_level"] / "tokenizer.json", tmp_path / "qwen", tokenizer_class="Qwen2Tokenizer"
    )
    with pytest.raises(BundleError, match="are of Qwen2Tokenizer, which cuts"):
        open_foreign(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    with pytest.raises(BundleError, match="are of qwen2, which cuts"):
        open_foreign(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    assert open_foreign(folder).eos_id == 0


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
