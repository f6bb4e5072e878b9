"""Repair of one text, and the reasons to drop one.

Repair undoes damage (broken encodings, markup, control characters, stray whitespace) and never rewrites words: case,
quotes and spelling stay, for normalising belongs to the tokenizer, where served text passes too.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from html.entities import html5

from minnow.errors import InputError

_HIDDEN = (
    (re.compile(r"<script\b[^<>]*>", re.IGNORECASE), re.compile(r"</script\s*>", re.IGNORECASE)),
    (re.compile(r"<style\b[^<>]*>", re.IGNORECASE), re.compile(r"</style\s*>", re.IGNORECASE)),
    (re.compile("<!--"), re.compile("-->")),
)
_NAMES = (
    "a abbr acronym address area article aside audio b base basefont bdi bdo big body button canvas caption center "
    "cite code col colgroup dd del details dfn dir em embed fieldset figcaption figure font footer form frame frameset "
    "head header html i iframe img input ins kbd label legend link main map mark meta nav noscript object ol optgroup "
    "option param picture pre q s samp script section select small source span strike strong style sub summary sup svg "
    "table tbody td textarea tfoot th thead time title tt u ul var video wbr"
)
# Only tags of HTML's own names, with attributes as HTML has them: "a < b", "x<a and y>b", "<3" and "<unk>" stay.
_ATTRIBUTES = (
    r"(?:\s+(?:[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+)"
    r"|checked|compact|controls|disabled|hidden|loop|multiple|noshade|nowrap|readonly|required|selected))*\s*(?:/\s*)?>"
)
_BREAKS = re.compile(rf"</?(?:br|p|div|h[1-6]|hr|li|tr|blockquote|dl|dt){_ATTRIBUTES}", re.IGNORECASE)
_TAGS = re.compile(rf"</?(?:{_NAMES.replace(' ', '|')}){_ATTRIBUTES}|<!doctype[^<>]*>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_NESTED_AMPERSAND = re.compile(r"&(?:amp;)+")
# Control characters but tab and line feed, lone surrogates, zero-width and direction marks.
_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
# Joiners shape emoji, Indic and Persian letters; beside anything of ASCII or a space they do nothing.
_STRAY_JOINER = re.compile(r"(?<![^\x00-\x7f\s])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f\s])")
_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_MAX_ROUNDS = 8
SURE_LANGUAGE = 0.8


@dataclass(frozen=True)
class CleaningRules:
    """What cleaning does; ``near_duplicates`` is the Jaccard similarity from which two texts are one, None for off."""

    fix_encoding: bool = True
    strip_html: bool = True
    strip_control: bool = True
    fold_whitespace: bool = True
    keep_line_breaks: bool = True
    min_characters: int = 1
    max_characters: int = 100_000
    languages: tuple[str, ...] = ()
    exact_duplicates: bool = True
    near_duplicates: float | None = 0.85


def repair(text: str, rules: CleaningRules) -> str:
    """The text with its damage undone; repairing twice gives the same as repairing once.

    One step can uncover work for another (``&lt;br&gt;``), so the steps go round until nothing changes.
    """
    for _ in range(_MAX_ROUNDS):
        repaired = _repair_once(text, rules)
        if repaired == text:
            break
        text = repaired
    return text


def drop_reason(text: str, rules: CleaningRules) -> str | None:
    """Why a repaired text is no use: ``empty``, ``too_short``, ``too_long`` or ``language``; None for a good one.

    A text goes for its language only where the detector is sure (a confidence of at least 0.8): very short ones stay.
    """
    if not text.strip():
        return "empty"
    if len(text) < rules.min_characters:
        return "too_short"
    if len(text) > rules.max_characters:
        return "too_long"
    if rules.languages:
        from minnow.text.language import detect

        found = detect(text)
        if found.code not in (*rules.languages, "und") and found.confidence >= SURE_LANGUAGE:
            return "language"
    return None


def normalise(text: str) -> str:
    """The form in which two texts are the same: NFKC, lower case, runs of whitespace as one space.

    For comparing only; the tokenizer has its own, which travels with the model.
    """
    if text.isascii() and text.isprintable() and "  " not in text:  # nothing to fold but the ends: a third of the time
        return text.strip().lower()
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def _repair_once(text: str, rules: CleaningRules) -> str:
    if rules.fix_encoding and not text.isascii():
        text = _fix_encoding(text)
    if rules.strip_html and ("<" in text or "&" in text):
        text = strip_markup(text)
    if rules.strip_control and not text.isprintable():  # a quick look: printable text has none of these characters
        text = _CONTROL.sub("", _LINE_BREAK.sub("\n", text))
        if "\u200c" in text or "\u200d" in text:
            text = _STRAY_JOINER.sub("", text)
    if rules.fold_whitespace:
        text = _fold_whitespace(text)
    if not rules.keep_line_breaks:
        text = " ".join(text.split())
    return text


def _fix_encoding(text: str) -> str:
    """Undo mojibake alone (``cafÃ©``); ftfy's other habits, such as straightening quotes, are turned off."""
    try:
        import ftfy
    except ImportError as error:
        raise InputError("repairing encodings needs ftfy; install it with: pip install 'minnow-lm[clean]'") from error
    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
    return str(ftfy.fix_text(text, config))


def strip_markup(text: str) -> str:
    """The text without HTML: tags gone, line-breaking ones as line breaks, entities as the characters they name."""
    if "<" in text:
        text = text.replace("<br />", "\n")  # by far the most frequent tag; a pattern takes ten times as long
    if "<" in text:
        for opening, closing in _HIDDEN:
            text = _without(text, opening, closing)
        text = _BREAKS.sub("\n", text)
        text = _TAGS.sub("", text)
    if "&" in text:
        text = _ENTITY.sub(_unescaped, _NESTED_AMPERSAND.sub(_outer_ampersand, text))
    return text


def _without(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    """Cut from each opening to its closing mark; one pattern over both takes quadratic time on "<!--<!--…"."""
    kept: list[str] = []
    start = 0
    while (begin := opening.search(text, start)) and (end := closing.search(text, begin.end())):
        kept += [text[start : begin.start()], " "]
        start = end.end()
    return "".join([*kept, text[start:]])


def _unescaped(match: re.Match[str]) -> str:
    """Whole names only: html.unescape would turn "&notaname;" into "¬aname;"."""
    entity = match.group()
    return html.unescape(entity) if entity[1] == "#" else html5.get(entity[1:], entity)


def _outer_ampersand(match: re.Match[str]) -> str:
    """``&amp;amp;lt;`` was escaped three times over: its inner layers go at once, the last ``&amp;`` by itself."""
    return "&" if len(match.group()) > len("&amp;") else match.group()


def _fold_whitespace(text: str) -> str:
    """One space between words, no space at the ends of lines, at most one empty line in a row."""
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
