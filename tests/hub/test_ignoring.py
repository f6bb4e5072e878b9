"""Ignored files: as git reads a ``.gitignore``, and in a moment whatever stands in it."""

import time

import pytest
from dulwich.ignore import IgnoreFilter
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import InputError
from minnow.hub.ignoring import MOST_COMPARISONS, ignored

PATHS = (
    *(
        "a.log",
        "keep.log",
        "deep/b.log",
        "a.txt",
        "build/x",
        "src/build/x",
        "src/a/b/c.py",
        "docs/a.md",
        "!odd",
        "#odd",
    ),
    *("a b.txt", "A.LOG", "run1/x", "run2/x", "src/[x].py", "a/b/c/d", "temp", "sp "),
    *("src/.gitignore", "doc/x/a.md"),
)


@pytest.mark.parametrize(
    "text",
    [
        *("*.log", "*.log\n!keep.log", "build/", "/build", "build", "src/build", "src/**", "**/build", "src/**/c.py"),
        *("**", "/*", "a/*/c", "a/**/d", "temp/", "temp", "[a-k]*.log", "[!a]*.log", "[^a]*.log", "run?", "run[0-1]/"),
        *(
            "\\!odd",
            "\\#odd",
            "# a.txt",
            "a b.txt",
            "a.txt  ",
            "sp\\ ",
            "src/\\[x\\].py",
            "!",
            "/",
            "",
            "*",
            "*\n!*.log",
        ),
        *("*\n!src/\n!src/*", "src/a/", "src/*\n!src/a", "doc?/**/*.md", "*/a.md", "d*c*s/", "*.*", "a/**/**/d", "x\\"),
        *("deep/*.log\n!deep/b.log", "/a.txt\n", "\r\na.txt\r\n", "***.log", "**.log", "[", "[]", "[a", "src/.git*"),
    ],
)
def test_patterns_mean_what_they_mean_to_git(text: str) -> None:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    lines = [line if line.endswith("\\ ") else line.rstrip(" ") for line in lines]
    reference = IgnoreFilter([line.encode() for line in lines])
    assert ignored(PATHS, text) == {path for path in PATHS if reference.is_ignored(path)}


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=30), max_size=5))
def test_any_text_is_read(text: str, paths: list[str]) -> None:
    assert ignored(paths, text) <= set(paths)


@pytest.mark.parametrize("pattern", ["*a" * 120 + "b", "**/*" * 60 + "b", "a*/" * 60 + "b", "*" * 200 + "b"])
def test_no_pattern_takes_long(pattern: str) -> None:
    paths = ["a" * 250, "/".join(["a"] * 64), "/".join(["aaaa"] * 60)]
    began = time.process_time()
    assert ignored(paths, "\n".join([pattern] * 20)) == set()
    assert time.process_time() - began < 2


def test_more_than_can_be_compared_is_refused() -> None:
    text = "\n".join(f"*.{number}" for number in range(1500))
    with pytest.raises(InputError, match=rf"at most {MOST_COMPARISONS} are made; announce fewer files"):
        ignored((f"a/{number}" for number in range(2000)), text)
    assert ignored((f"{number}.1499" for number in range(256)), text)
