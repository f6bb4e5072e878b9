"""What an answer looks like as text and as JSON."""

import json

import pytest

from minnow.tasks.signature import Field, Label, Labels, Signature


def test_a_label_is_its_name_and_its_dict_has_three_keys() -> None:
    label = Label("refund", 0.9, {"refund": 0.9, "other": 0.1})
    assert str(label) == f"{label}" == "refund"
    assert json.loads(json.dumps(label.to_dict())) == {
        "label": "refund", "confidence": 0.9, "scores": {"refund": 0.9, "other": 0.1},
    }  # fmt: skip


def test_labels_are_listed_by_name() -> None:
    scores = {"a": 0.9, "b": 0.7, "c": 0.1}
    labels = Labels((Label("a", 0.9), Label("b", 0.7)), scores)
    assert str(labels) == "a, b"
    assert labels.to_dict() == {"labels": ["a", "b"], "scores": scores}
    assert str(Labels(())) == ""


def test_answers_and_signatures_cannot_be_changed() -> None:
    signature = Signature("text-classification", (Field("text", "text", "the text"),), Label)
    for value, name in ((signature, "name"), (Label("a", 1.0), "label")):
        with pytest.raises(AttributeError):
            setattr(value, name, "b")
    assert hash(Label("a", 0.5, {"a": 0.5})) == hash(Label("a", 0.5, {"a": 0.5}))
