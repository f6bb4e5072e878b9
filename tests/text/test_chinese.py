"""Traditional characters as simplified ones: as OpenCC writes them, and with nothing else touched."""

import sys

import opencc
import pytest

from minnow.errors import InputError
from minnow.text import chinese
from minnow.text.tokenizer import Tokenizer, TokenizerSettings


def test_every_character_becomes_what_opencc_makes_of_it() -> None:
    step, converter = chinese.simplifier(), opencc.OpenCC("t2s")

    def converted(text: str) -> str:
        once = converter.convert(text)
        return once if once == text else converted(once)

    points = [*range(0x3000, 0xA000), *range(0x20000, 0x2F800), *range(0x30000, 0x323B0)]
    changed = 0
    for start in range(0, len(points), 64):
        given = "".join(f"a{chr(point)}\n" for point in points[start : start + 64])
        assert step.normalize_str(given) == step.normalize_str(step.normalize_str(given)) == converted(given)
        changed += step.normalize_str(given) != given
    assert changed > 100
    assert len(chinese.simplified_characters()) > 4000


@pytest.mark.parametrize(
    ("text", "simplified"),
    [
        ("計程車司機說：「請繫好安全帶。」", "计程车司机说：「请系好安全带。」"),
        ("头发和发现", "头发和发现"),
        ("頭髮和發現", "头发和发现"),
        ("MSRA 2005 年, naïve ＡＢ①", "MSRA 2005 年, naïve ＡＢ①"),
        ("한국어 ラーメン 😀", "한국어 ラーメン 😀"),
        ("\uf92d\uf914", "来乐"),  # written for compatibility
        ("", ""),
    ],
)
def test_texts_in_either_script(text: str, simplified: str) -> None:
    assert chinese.simplifier().normalize_str(text) == simplified


def test_texts_are_counted_by_their_script() -> None:
    both = ["你好。", "我叫Tom。"]
    assert chinese.script_shares(["計程車來了。", "这里没有后门。", *both]) == (0.25, 0.25)
    assert chinese.script_shares(["皇后在公里外發現計程車。"]) == (1, 0)  # 后 and 里 stand in both
    assert chinese.script_shares([]) == (0, 0)


def test_without_opencc_a_tokenizer_that_simplifies_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    chinese.simplified_characters.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(InputError, match=r"pip install 'minnow-lm\[chinese\]'"):
        Tokenizer.train(["你好"], TokenizerSettings(simplified=True))
