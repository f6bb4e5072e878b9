"""lm-evaluation-harness asks, a model of this house answers; the real package, with a task of these tests."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from writers import bundle as writer

from minnow.bundle.bundle import Bundle
from minnow.decoding.chat import ROLE_TOKENS, chat_ids, house_template
from minnow.errors import InputError
from minnow.models.llama import Llama, LlamaConfig
from minnow.models.vocabulary import grown
from minnow.text.messages import Message

lm_eval = pytest.importorskip("lm_eval")
from minnow.evaluation.harness import HarnessModel  # noqa: E402 - which needs the package


def asked(*pairs: tuple[Any, ...]) -> list[Any]:
    return [SimpleNamespace(args=pair) for pair in pairs]


def decoder(context: int = 24) -> Bundle:
    made = writer("bpe")
    assert made.tokenizer is not None
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=made.tokenizer.vocab_size,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=context,
        initializer_range=0.5,
    )
    return Bundle(Llama(config).eval(), made.task, made.tokenizer)


def nats_of(made: Bundle, token_ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        log_SV = made.model(torch.tensor([token_ids[:-1]]))[0].log_softmax(-1)
    return log_SV[torch.arange(len(token_ids) - 1), torch.tensor(token_ids[1:])]


@pytest.mark.parametrize("make", [decoder, lambda: writer("bpe"), lambda: writer("character")])
def test_a_continuation_has_the_probability_that_the_model_gives_it(make: Any) -> None:
    made = make()
    requests = asked(("Once upon", " a time"), ("Hello,", " world!"), ("", "girl"), ("Once ", "upon"))
    found = HarnessModel(made, batch_rows=3).loglikelihood(requests)
    for (context, continuation), (nats, _) in zip((one.args for one in requests), found, strict=True):
        bare = context.rstrip()
        before = made.tokenizer.encode_ids([bare])[0]
        whole = made.tokenizer.encode_ids([context + continuation])[0]
        if not before:
            whole, before = [made.tokenizer.eos_id, *whole], [made.tokenizer.eos_id]
        expected = nats_of(made, whole)[len(before) - 1 :].sum()
        assert nats == pytest.approx(float(expected), abs=1e-4)


def test_what_greedy_writing_gives_is_called_greedy() -> None:
    made = decoder()
    model = HarnessModel(made)
    (text,) = model.generate_until(asked(("Once upon a", {"until": ["zzz"], "max_gen_toks": 3})))
    other = "é" if not text.startswith("é") else "q"
    greedy = model.loglikelihood(asked(("Once upon a", other)))
    assert not greedy[0][1]
    ids = made.tokenizer.encode_ids(["Once upon a"])[0]  # type: ignore[union-attr]
    with torch.no_grad():
        best = int(made.model(torch.tensor([ids]))[0, -1].argmax())
    likeliest = made.tokenizer.decode([best])  # type: ignore[union-attr]
    if made.tokenizer.encode_ids(["Once upon a" + likeliest])[0] == [*ids, best]:  # type: ignore[union-attr]
        assert model.loglikelihood(asked(("Once upon a", likeliest)))[0][1]


def test_a_long_text_is_read_in_windows_of_the_context() -> None:
    made = decoder(context=10)
    text = "Once upon a time, there was a little girl named Lily. " * 3
    assert made.tokenizer is not None
    token_ids = [made.tokenizer.eos_id, *made.tokenizer.encode_ids([text])[0]]
    total, end = 0.0, 0
    while end < len(token_ids) - 1:
        begin, end = end, min(end + 10, len(token_ids) - 1)
        window = token_ids[max(0, end - 10) : end + 1]
        total += float(nats_of(made, window)[-(end - begin) :].sum())
    model = HarnessModel(made)
    found = model.loglikelihood_rolling(asked((text,), ("",)))
    assert found == pytest.approx([total, 0.0], rel=1e-5)
    assert math.isfinite(model.loglikelihood(asked((text, " girl")))[0][0])


def test_writing_stops_where_the_task_says() -> None:
    model = HarnessModel(writer("character"))
    said = {"until": ["e"], "max_gen_toks": 40, "do_sample": False}
    short, long = model.generate_until(asked(("Once", said), ("Once", {**said, "until": []})))
    assert "e" not in short
    assert long.startswith(short)
    assert long[len(short) :].startswith("e") or len(long) == len(short)


def test_a_question_that_is_asked_again_is_drawn_anew() -> None:
    model = HarnessModel(writer("character"))
    draw = {"until": [], "max_gen_toks": 30, "do_sample": True, "temperature": 1.0}
    found = model.generate_until(asked(*[("Once", draw)] * 3, ("Once", {**draw, "do_sample": False})))
    assert len(set(found)) == 4
    assert model.generate_until(asked(*[("Once", draw)] * 3)) == found[:3]


def test_a_temperature_of_zero_draws_nothing() -> None:
    model = HarnessModel(writer("character"))
    said = {"until": [], "max_gen_toks": 30, "do_sample": True}
    cold, greedy, warm = model.generate_until(
        asked(("Once", {**said, "temperature": 0.0}), ("Once", {**said, "do_sample": False}), ("Once", said))
    )
    assert cold == greedy != warm


def test_the_harness_runs_a_task_over_the_model(tmp_path: Path) -> None:
    rows = [
        {"q": "Once upon a", "choices": [" time", " girl"], "a": 0},
        {"q": "Hello,", "choices": ["é", " x"], "a": 1},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    from lm_eval.api.task import ConfigurableTask

    task = ConfigurableTask(
        config={
            "task": "own_tiny",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(tmp_path / "rows.jsonl")}, "cache_dir": str(tmp_path)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{q}}",
            "doc_to_choice": "choices",
            "doc_to_target": "a",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc"}],
        }
    )
    model = HarnessModel(decoder())
    results = lm_eval.evaluate(lm=model, task_dict={"own_tiny": task}, bootstrap_iters=0)
    pairs = [[(row["q"], choice) for choice in row["choices"]] for row in rows]
    right = [
        int(np.argmax([nats for nats, _ in model.loglikelihood(asked(*pair))])) == row["a"]
        for pair, row in zip(pairs, rows, strict=True)
    ]
    assert results["results"]["own_tiny"]["acc,none"] == pytest.approx(sum(right) / 2)


def test_a_conversation_is_set_by_the_template_of_the_model() -> None:
    made = writer("bpe")
    assert made.tokenizer is not None
    tokenizer = made.tokenizer.with_special_tokens(ROLE_TOKENS)
    tokenizer.chat_template = house_template(tokenizer)
    model = HarnessModel(Bundle(grown(made.model, tokenizer.vocab_size), made.task, tokenizer))
    context = model.apply_chat_template([{"role": "user", "content": "Hello"}])
    assert model.chat_template(True) == tokenizer.chat_template
    before = chat_ids(tokenizer, tokenizer.chat_template, [Message("user", "Hello")])
    whole = [*before, *tokenizer.encode_ids(["girl"])[0]]
    expected = nats_of(model.bundle, whole)[len(before) - 1 :].sum()
    assert model.loglikelihood(asked((context, "girl")))[0][0] == pytest.approx(float(expected), abs=1e-4)
    (text,) = model.generate_until(asked((context, {"until": [], "max_gen_toks": 5})))
    assert text == model.generate_until(asked((context, {"max_gen_toks": 5})))[0]


def test_a_document_is_read_the_same_behind_a_conversation() -> None:
    model = HarnessModel(decoder())
    before = model.loglikelihood_rolling(asked(("Once upon a time",)))
    model.apply_chat_template([{"role": "user", "content": "Hello"}])
    assert model.loglikelihood_rolling(asked(("Once upon a time",))) == before


def test_conversations_are_answered_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = writer("bpe")
    model = HarnessModel(made, batch_rows=2)
    context = model.apply_chat_template([{"role": "user", "content": "Hello"}])
    rows = []
    prefill = made.model.prefill
    monkeypatch.setattr(made.model, "prefill", lambda ids, lengths: rows.append(len(ids)) or prefill(ids, lengths))
    model.generate_until(asked(*[(f"{context}{n}", {"until": [], "max_gen_toks": 2}) for n in range(5)]))
    assert rows == [2, 2, 1]


def test_a_request_is_scored_as_if_it_were_alone() -> None:
    """Where the rotation hangs on the length of the text, that of the row counts and not that of its neighbours."""
    made = decoder(context=8)
    shape = {**made.model.config.to_dict(), "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}}
    turned = Llama(LlamaConfig.from_dict(shape)).eval()
    turned.load_state_dict(made.model.state_dict())
    model = HarnessModel(Bundle(turned, made.task, made.tokenizer))
    pairs = [("Once", " upon"), ("Once upon a time, there was a little", " girl")]
    alone = [model.loglikelihood(asked(pair))[0][0] for pair in pairs]
    assert [nats for nats, _ in model.loglikelihood(asked(*pairs))] == pytest.approx(alone, abs=1e-5)


def test_a_classifier_is_refused(linear: Path) -> None:
    with pytest.raises(InputError, match="text_classification"):
        HarnessModel(linear)
