"""Languages: scripts decide where they can, the classifier else, and too little text is left open."""

import pytest

from minnow.errors import InputError
from minnow.text.language import detect, known_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I had the worst day ever. Everything went wrong.", "en"),
        ("Le film était vraiment très bon et les acteurs aussi", "fr"),
        ("Wo ist bitte der nächste Bahnhof?", "de"),
        ("这个酒店很好,下次还来", "zh"),
        ("好吃", "zh"),
        ("手机iphone很好用 battery life", "zh"),
        ("これはペンです", "ja"),
        ("나는 학생입니다", "ko"),
        ("Это очень хороший фильм, советую всем", "ru"),
        ("ภาษาไทยเป็นภาษาที่สวยงาม", "th"),
        ("ok lol", "und"),
        ("12345 67890 http://example.org/some/long/path", "und"),
        ("", "und"),
    ],
)
def test_languages_are_told(text: str, code: str) -> None:
    found = detect(text)
    assert found.code == code
    assert 0 <= found.confidence <= 1


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert detect("This is an English sentence about nothing. " * 100 + "这个酒店很好" * 10_000).code == "en"


@pytest.mark.parametrize(
    ("asked", "code"), [("en", "en"), ("DE", "de"), ("zh-CN", "zh"), ("cmn", "zh"), ("zho_Hant", "zh"), ("jpn", "ja")]
)
def test_a_language_is_asked_for_by_any_of_its_codes(asked: str, code: str) -> None:
    assert known_code(asked) == code


@pytest.mark.parametrize(("asked", "hint"), [("english", "did you mean 'en'"), ("xx", "choose one of: af, am")])
def test_a_language_that_nobody_tells_is_refused(asked: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"unknown language '{asked}'; {hint}"):
        known_code(asked)
