"""``minnow generate``: text on standard output as it is written, one object with ``--json``, clear errors."""

import json
from pathlib import Path
from typing import Any

import pytest
from command import minnow
from writers import folder


@pytest.fixture(scope="session")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("writers") / "characters")


def test_the_text_and_nothing_else_is_printed(writer: Path) -> None:
    printed = minnow("generate", writer, "Once", "--max-tokens", 30, "--seed", 1)
    told = minnow("generate", writer, "Once", "--max-tokens", 30, "--seed", 1, "--json").json
    assert printed.out == told["text"] + "\n"
    assert printed.err == ""
    assert told["tokens"] <= 30
    assert told["finish_reason"] in ("stop", "length")
    assert (told["prompt"], told["seed"], told["model"]) == ("Once", 1, str(writer))


def test_a_seed_repeats_and_its_absence_does_not(writer: Path) -> None:
    asked = ("generate", writer, "Once", "--ignore-end", "--json")  # two texts that end at once would be alike
    texts = [minnow(*asked).json for _ in range(3)]
    assert len({one["text"] for one in texts}) == 3
    assert minnow(*asked, "--seed", texts[0]["seed"]).json == texts[0]
    greedy = {minnow("generate", writer, "Once", "--temperature", 0, "--json").json["text"] for _ in range(2)}
    assert len(greedy) == 1


def test_the_settings_reach_the_search(writer: Path) -> None:
    def text(*more: object, drawn: tuple[object, ...] = ("--seed", 3)) -> str:
        always = ("--max-tokens", 40, "--ignore-end", "--json", *drawn)
        return str(minnow("generate", writer, "Once", *always, *more).json["text"])

    plain, greedy = text(), text("--temperature", 0)
    assert text("--top-k", 1) == text("--top-p", 0) == text("--min-p", 1) == greedy
    assert plain != greedy
    beam = text("--beam", 4, drawn=())
    assert len({plain, text("--repetition-penalty", 5), text("--frequency-penalty", 5), beam}) == 4
    assert text("--stop", plain[5]) == plain[: plain.index(plain[5])]
    assert text("--presence-penalty", 9) != plain
    ended = [minnow("generate", writer, "Once", "--seed", seed, "--json").json for seed in range(5)]
    assert min(one["tokens"] for one in ended) < 256
    going = minnow("generate", writer, "Once", "--seed", 0, "--ignore-end", "--json").json
    assert going["text"].startswith(ended[0]["text"])
    assert (going["tokens"], going["finish_reason"]) == (256, "length")


def test_a_model_writes_in_either_arithmetic(writer: Path) -> None:
    def told(*more: object) -> dict[str, Any]:
        answer: dict[str, Any] = minnow(
            "generate", writer, "Once", "--max-tokens", 8, "--ignore-end", "--json", *more
        ).json
        return answer

    for way in (("--temperature", 0), ("--beam", 3)):
        wide, narrow = told(*way), told(*way, "--precision", "bfloat16")
        assert narrow["tokens"] == wide["tokens"]
        assert narrow["log_probability"] == pytest.approx(wide["log_probability"], rel=0.1)
        assert narrow["log_probability"] != wide["log_probability"]
    assert "did you mean" in minnow("generate", writer, "Once", "--precision", "bfloat61", fails=True).err


def test_an_answer_is_held_to_a_rule(writer: Path, tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"enum": [1, 23]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    for given in (json.dumps(schema), tmp_path / "schema.json"):
        assert json.loads(minnow("generate", writer, "x", "--schema", given).out)["a"] in (1, 23)
    assert minnow("generate", writer, "x", "--regex", "[0-9]{3}").out.strip().isdigit()
    assert minnow("generate", writer, "x", "--choice", "girl", "--choice", "time").out in ("girl\n", "time\n")


def test_log_probabilities_and_samples(writer: Path) -> None:
    told = minnow("generate", writer, "Once", "--seed", 1, "--num-samples", 3, "--logprobs", "--json").json
    assert len(told["samples"]) == 3
    assert told["samples"][0]["text"] == told["text"]
    for sample in told["samples"]:
        assert len(sample["logprobs"]) == sample["tokens"]
        assert sum(one["logprob"] for one in sample["logprobs"]) == pytest.approx(sample["log_probability"])
    printed = minnow("generate", writer, "Once", "--seed", 1, "--num-samples", 3)
    assert printed.out == "".join(f"{sample['text']}\n" for sample in told["samples"])
    assert (
        len(minnow("generate", writer, "Once", "--logprobs", "--max-tokens", 5, "--ignore-end").out.splitlines()) == 5
    )


def test_a_prompt_may_come_from_standard_input(writer: Path) -> None:
    given = minnow("generate", writer, "-", "--seed", 1, "--json", given="Once").json
    assert given == minnow("generate", writer, "Once", "--seed", 1, "--json").json
    assert minnow("generate", writer, "-", "--max-tokens", 1, "--json", given="a\nb\n").json["prompt"] == "a\nb"
    assert minnow("generate", writer, "--json").json["prompt"] == ""
    for strange in ("名字", "\x00", "🙂", "Ω" * 300, " "):
        assert minnow("generate", writer, strange, "--max-tokens", 3, "--json").json["prompt"] == strange


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-tokens", 0], "max_tokens must be a whole number from 1"),
        (["--beam", 3, "--seed", 1], "beam search draws nothing, so seed means nothing"),
        (["--temperature", -1], "temperature must lie between 0 and 100"),
        (["--top-p", 7], "top_p must lie between 0 and 1"),
        (["--schema", "nowhere.json"], "--schema takes a JSON schema or a file with one"),
        (["--regex", "("], "the regex cannot be followed"),
        (["--regex", "a", "--choice", "a"], "one of schema, regex, choice"),
        (["--stop", ""], "a stop string must not be empty"),
        (["--beam", 2, "--num-samples", 3], "a beam of 2"),
        (["--seed", -1], "seed must be a whole number from 0"),
    ],
)
def test_wrong_settings_are_one_line_and_code_2(writer: Path, arguments: list[object], message: str) -> None:
    failed = minnow("generate", writer, "Once", *arguments, fails=True)
    assert failed.code == 2
    assert message in failed.error
    assert failed.out == ""


def test_a_model_of_another_kind_is_refused(linear: Path, tmp_path: Path) -> None:
    failed = minnow("generate", linear, "Once", fails=True)
    assert failed.code == 2
    assert "writes no text" in failed.error
    assert minnow("generate", tmp_path / "none", "Once", fails=True).code == 2


def test_other_verbs_know_the_model_too(writer: Path) -> None:
    told = minnow("show", writer, "--json").json
    assert told["task"] == "text_generation"
    assert "labels" not in told
    (line,) = minnow("predict", writer, "Once").lines
    assert line["prompt"] == "Once"
    assert line["tokens"] > 0


def test_a_prompt_whose_bytes_are_no_utf8_is_told_as_it_is_read(writer: Path) -> None:
    assert (
        minnow("generate", writer, "caf\udce9", "--seed", 1, "--max-tokens", 4, "--json").json["prompt"] == "caf\ufffd"
    )
