"""What a message says, without what gives its group away."""

from minnow.data.prepare import newsgroup_message

MESSAGE = """From: a@example.org (A. Writer)
Subject: Re: engines
Lines: 9

In article <1@example.org> b@example.org writes:
>Is it the valves?
> Or the pump?
It is the pump. I had mine changed last week.

And check the oil.

--
A. Writer, Somewhere"""


def test_headers_quotes_and_signature_go() -> None:
    assert newsgroup_message(MESSAGE) == "It is the pump. I had mine changed last week.\n\nAnd check the oil."


def test_a_message_of_one_paragraph_stays() -> None:
    assert newsgroup_message("From: x\n\nonly this\nand this") == "only this\nand this"
    assert newsgroup_message("no headers at all") == ""
