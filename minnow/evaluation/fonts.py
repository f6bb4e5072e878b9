"""Which fonts the pictures use, and whether one of them has Chinese characters.

An SVG file carries a list of families, of which the reader's machine has one. A PNG file is drawn here, so it needs
fonts here: the renderer brings Liberation Sans, finds installed fonts, and is told of Python packages that carry some.
"""

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec

# Latin families first: a character that one lacks is looked for in the next, and drawing all text with a large
# Chinese font takes ten times as long.
FAMILIES = (
    "Helvetica Neue, Helvetica, Arial, Liberation Sans, PingFang SC, Noto Sans CJK SC, Noto Sans SC, "
    "Source Han Sans SC, Microsoft YaHei, WenQuanYi Micro Hei, sans-serif"
)
FONT_PACKAGES = ("pylopdf_fonts_zh_cn", "pylopdf_fonts_cjk")  # Noto Sans SC and JP (SIL Open Font License)
NO_CHINESE = (
    "no font with Chinese characters was found, so they are boxes in the PNG pictures (the SVG ones are fine); "
    "`pip install 'minnow-lm[plots]'` or install Noto Sans CJK, then draw again"
)


@cache
def register() -> None:
    """Tell the renderer of the fonts that installed Python packages carry."""
    import vl_convert

    for package in FONT_PACKAGES:
        found = find_spec(package)
        for folder in (found.submodule_search_locations or []) if found else []:
            vl_convert.register_font_directory(str(folder))


@cache
def has_chinese() -> bool:
    """Whether a Chinese character comes out otherwise than a character that no font has."""
    register()
    return _drawn("中") != _drawn("\U000effff")


def missing_glyphs(texts: Iterable[str]) -> str | None:
    """What to tell the person when ``texts`` hold Chinese characters that would be drawn as boxes; else None."""
    if any("\u2e80" <= letter <= "\u9fff" for text in texts for letter in text) and not has_chinese():
        return NO_CHINESE
    return None


def _drawn(letter: str) -> bytes:
    import vl_convert

    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">'
        f'<text x="2" y="16" font-size="14" font-family="{FAMILIES}">{letter}</text></svg>'
    )
    return bytes(vl_convert.svg_to_png(svg))
