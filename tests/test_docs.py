"""What the docs promise to name is there: recipe keys with their defaults, verbs and options, files, links."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import typer
from typer.testing import CliRunner

import minnow
from minnow.cli.main import app
from minnow.strict import write_record
from minnow.training.classification_recipe import ClassificationRecipe
from minnow.training.recipe_file import attribute_lines
from minnow.training.translation_recipe import TranslationRecipe

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for folder in (".", "docs", "samples", "benchmarks") for path in (ROOT / folder).glob("*.md"))
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of the same or a higher level; empty where there is none."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def verbs(command: Any, name: str = "minnow") -> Iterator[tuple[str, Any]]:
    """Every verb with its command, such as ``minnow data list``."""
    for verb, inner in getattr(command, "commands", {}).items():
        yield from verbs(inner, f"{name} {verb}")
    if not hasattr(command, "commands"):
        yield name, command


def options(command: Any) -> list[str]:
    spelled = [(*param.opts, *param.secondary_opts) for param in command.params]
    return [name for names in spelled for name in names if name.startswith("--") and name != "--help"]


def takes_a_value(param: Any) -> bool:
    return param.opts[0].startswith("--") and not getattr(param, "is_flag", False)


VERBS = dict(verbs(typer.main.get_command(app)))
SECTIONS = [("training", ClassificationRecipe(), part.name) for part in fields(ClassificationRecipe)] + [
    ("translation", TranslationRecipe(), name) for name in ("pairs", "cleaning", "model", "tokenizer")
]


def documented_keys(page: str, name: str) -> dict[str, str]:
    documented = section(read(DOCS / f"{page}.md"), f"### `[{name}]`")
    return dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", documented, re.MULTILINE))


def as_written(settings: Any) -> dict[str, str]:
    return {key: tomlkit.item(value).as_string() for key, value in write_record(settings).items()}


@pytest.mark.parametrize(("page", "recipe", "name"), SECTIONS)
def test_every_recipe_key_is_documented_with_its_default(page: str, recipe: Any, name: str) -> None:
    assert documented_keys(page, name) == as_written(getattr(recipe, name))


def test_what_is_trained_otherwise_for_pairs_is_documented() -> None:
    usual, other = as_written(ClassificationRecipe().training), as_written(TranslationRecipe().training)
    otherwise = {key: value for key, value in other.items() if key not in usual or value != usual[key]}
    assert documented_keys("translation", "training") == otherwise


@pytest.mark.parametrize(("page", "recipe", "name"), SECTIONS)
def test_every_recipe_key_is_explained_in_its_docstring(page: str, recipe: Any, name: str) -> None:  # noqa: ARG001
    settings = getattr(recipe, name)
    assert set(attribute_lines(type(settings))) == {part.name for part in fields(settings)}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_option_is_documented(verb: str) -> None:
    documented = section(read(DOCS / "cli.md"), f"## `{verb}`")
    assert documented, f"docs/cli.md has no heading '## `{verb}`'"
    missing = [name for name in options(VERBS[verb]) if not re.search(rf"`{name}[` ]", documented)]
    assert missing == []


@pytest.mark.parametrize("verb", [verb for verb in VERBS if not verb.startswith("minnow hub")])
def test_the_page_and_the_help_name_the_values_of_options_alike(verb: str) -> None:
    documented = section(read(DOCS / "cli.md"), f"## `{verb}`")
    named = [f"{param.opts[0]} {param.metavar}" for param in VERBS[verb].params if takes_a_value(param)]
    assert [name for name in named if f"`{name}`" not in documented] == []


def test_no_verb_is_cut_short_in_the_help() -> None:
    app_help = CliRunner().invoke(app, ["--help"]).output
    assert "compare     Compare two models on the same rows." in app_help
    assert "..." not in app_help.partition("Commands:")[2]


def test_no_documented_verb_or_option_is_made_up() -> None:
    text = read(DOCS / "cli.md")
    assert set(re.findall(r"^## `(.+)`$", text, re.MULTILINE)) == set(VERBS)
    for verb, command in VERBS.items():
        rows = re.findall(r"^\| (`--.*?) \|", section(text, f"## `{verb}`"), re.MULTILINE)
        assert set(re.findall(r"--[a-z-]+", " ".join(rows))) <= set(options(command)), verb


def test_the_architecture_page_lists_the_files_that_are_there() -> None:
    tree = re.search(r"```\n(minnow/\n.*?)```", read(DOCS / "architecture.md"), re.DOTALL)
    assert tree
    listed, room = set(), ""
    for indent, name in re.findall(r"^( +)([\w./]+) ", tree[1], re.MULTILINE):
        room = name if name.endswith("/") else room if len(indent) > 2 else ""
        if not name.endswith("/"):
            listed.add(room + name)
    package = ROOT / "minnow"
    there = {str(path.relative_to(package)) for path in package.rglob("*.py") if path.stat().st_size}
    assert listed == there


@pytest.mark.parametrize("room", sorted(path.parent.name for path in (ROOT / "minnow").glob("*/__init__.py")))
def test_every_room_has_a_page_that_the_index_names(room: str) -> None:
    assert (DOCS / f"{room}.md").is_file()
    assert f"]({room}.md)" in read(DOCS / "README.md")


def test_the_index_names_every_page() -> None:
    index = read(DOCS / "README.md")
    others = {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    assert sorted(name for name in others if f"]({name})" not in index) == []


def test_every_public_name_is_in_the_python_page() -> None:
    text = read(DOCS / "api.md")
    assert [name for name in minnow.__all__ if not re.search(rf"^\| `{name}[`(]", text, re.MULTILINE)] == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    asked = chain(project["dependencies"], *project["optional-dependencies"].values())
    packages = {re.split(r"[\[<>=~! ]", wanted)[0] for wanted in asked}
    text = read(DOCS / "decisions.md")
    assert sorted(package for package in packages if f"| `{package}` |" not in text) == []


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = (FENCED.findall(read(ROOT / name)) for name in ("README.md", "README.zh.md"))
    assert len(english) > 5
    assert english == chinese


def test_both_readmes_have_the_same_shape() -> None:
    english, chinese = (FENCED.sub("", read(ROOT / name)) for name in ("README.md", "README.zh.md"))
    for shape in (r"^#+(?= )", r"\]\((?!README)(.*?)\)", r"^\|.*?`(minnow .*?)`"):
        assert re.findall(shape, english, re.MULTILINE) == re.findall(shape, chinese, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", read(page)))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in slugs(read(target)), f"{page.name}: no heading for {link}"
