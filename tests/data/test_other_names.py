"""Made-up names stand on both sides, alike, and change nothing else."""

import re

from minnow.data.other_names import add_other_names
from minnow.data.pairs import Pairs

SIDES = {
    "My name is Tom.": "Je m'appelle Tom.",
    "Tom saw the house of Alice.": "Tom a vu la maison d'Alice.",
    "Tom knows Tom.": "Tom se connaît.",  # twice on one side: which is which?
    "I am OK.": "Je suis OK.",  # no name, by its letters
    "She came from Boston.": "Elle venait de Boston.",
    "Where is Albert?": "Où est Albert ?",
    "Mary laughed.": "Marie a ri.",  # spelled in two ways
    "It rains.": "Il pleut.",
}
MORE = ("Tamara", "Tobias", "Martin", "Bastian", "Barbara", "Anton", "Alina", "Amanda", "Andrea")
NAMES = {"Tom", "Alice", "Boston", "Albert", *MORE}
SIDES.update({f"{name} is {years}.": f"{name} a {years} ans." for years, name in enumerate(MORE, 20)})


def pairs(sides: dict[str, str] = SIDES) -> Pairs:
    return Pairs(list(sides), list(sides.values()), [("en", "fr")] * len(sides), "talk", "0")


def test_only_the_name_is_another_and_alike_on_both_sides() -> None:
    given = pairs()
    found, count = add_other_names(given, 1, seed=0)
    assert 0 < count <= len(given)
    assert (found.sources[: len(given)], found.targets[: len(given)]) == (given.sources, given.targets)
    sides = set(zip(given.sources, given.targets, strict=True))
    changed = set()
    for source, target in zip(found.sources[len(given) :], found.targets[len(given) :], strict=True):
        both = set(re.findall(r"\w+", source)) & set(re.findall(r"\w+", target))
        fitting = [
            (old, new)
            for old in NAMES
            for new in both - NAMES
            if (source.replace(new, old), target.replace(new, old)) in sides
        ]
        assert len(fitting) == 1, (source, target)
        old, new = fitting[0]
        assert new.istitle()
        assert (new[0] in "AEIOUY") == (old[0] in "AEIOUY"), "d'Alice is not d'Tomar"
        changed.add(old)
    assert len(changed) > 3
    assert {old[0] in "AEIOUY" for old in changed} == {True, False}
    assert len(found.directions) == len(found) == len(given) + count


def test_a_name_is_found_among_characters_that_set_no_spaces() -> None:
    sides = {
        "My name is Tom.": "我叫Tom。",
        "Where is Mary?": "Mary在哪裡？",
        "We saw London and Canada.": "我們看到了倫敦和加拿大。",
        "Is it Monday?": "今天是星期一嗎？",
    }
    found, count = add_other_names(Pairs(list(sides), list(sides.values()), [("en", "zh")] * 4, "talk", "0"), 1, seed=0)
    assert count == 4
    said = set(zip(found.sources[4:], found.targets[4:], strict=True))
    names = {re.sub(r"[^A-Za-z]", "", target) for _, target in said}
    assert len(names) > 1, "drawn from all words with a capital, as two names give no others"
    for source, target in said:
        assert any((f"My name is {name}.", f"我叫{name}。") == (source, target) for name in names) or any(
            (f"Where is {name}?", f"{name}在哪裡？") == (source, target) for name in names
        )


def test_a_name_that_is_always_rendered_alike_gives_way_in_letters_on_both_sides() -> None:
    talk = {
        "I saw {}.": "我看见{}了。",
        "This is {}'s book.": "这是{}的书。",
        "Who is {}?": "{}是谁？",
        "{} is here.": "{}在这里。",
    }
    sides = {
        f"{number} {source}".format(name): f"{number}{target}".format(written)
        for number in range(6)
        for source, target in talk.items()
        for name, written in (("Tom", "汤姆"), ("Mary", "玛丽"))
    }
    sides |= {"Tell me who, and what this is.": "告诉我。"}
    sides |= {f"We met {name}.": f"我们见过{number}个人。" for number, name in enumerate(MORE)}
    for turned in (False, True):
        both = {target: source for source, target in sides.items()} if turned else sides
        found, count = add_other_names(pairs(both), 1, seed=0)
        assert count > len(both) // 2
        for source, target in zip(found.sources[-count:], found.targets[-count:], strict=True):
            english, chinese = (target, source) if turned else (source, target)
            (new,) = re.findall(r"[A-Z][a-z]+", chinese)
            assert any(
                sides.get(english.replace(new, name)) == chinese.replace(new, written)
                for name, written in (("Tom", "汤姆"), ("Mary", "玛丽"))
            ), (english, chinese)
        assert any(source.lstrip("0123456789 ").startswith(("我看见", "I saw")) for source in found.sources[-count:])


def test_a_part_of_a_longer_name_stays_where_it_is() -> None:
    talk = {
        "I saw {}.": "我看见{}了。",
        "He is in {} now.": "他现在{}。",
        "Look at {}!": "看看{}！",
        "Does {} rain?": "{}下雨吗？",
    }
    for name, written in (("New York", "纽约"), ("Mt. Fuji", "富士山")):
        sides = {
            f"{number} {source}".format(name): f"{number}{target}".format(written)
            for number in range(9)
            for source, target in talk.items()
        }
        sides |= {"A new one.": "新的。"} | {f"We met {name}.": f"{number}个人。" for number, name in enumerate(MORE)}
        assert add_other_names(pairs(sides), 1, seed=0)[1] == 0


def test_few_of_the_names_begin_a_sentence() -> None:
    """Of everyday pairs half do, and a model would take every rare word that begins one for a name."""
    sides = {f"{name} saw number {n}.": f"{name} a vu le {n}." for n in range(40) for name in NAMES}
    sides |= {f"I saw {name} and number {n}.": f"J'ai vu {name} et le {n}." for n in range(10) for name in NAMES}
    given = pairs(sides)
    found, count = add_other_names(given, 1, seed=0)
    first = sum(not source.startswith("I saw") for source in found.sources[len(given) :])
    assert 0.05 < first / count < 0.15
    alone = pairs({source: target for source, target in sides.items() if not source.startswith("I saw")})
    assert add_other_names(alone, 1, seed=0)[1] > 0.9 * len(alone)


def test_a_word_that_stands_in_small_letters_is_no_name_where_it_begins_a_sentence() -> None:
    common = {"Excuse me.": "Excuse moi.", "Please excuse me.": "Veuillez m'excuser.", "Ask Rose.": "Demande à Rose."}
    found, count = add_other_names(pairs(SIDES | common | {"A rose.": "Une rose."}), 1, seed=0)
    added = found.sources[-count:]
    assert any(source.startswith("Ask ") for source in added)
    assert not any(source.endswith(" me.") for source in added)


def test_where_no_other_name_can_be_made_there_is_no_pair() -> None:
    alone = pairs({"Ada laughed.": "Ada a ri."})
    assert add_other_names(alone, 1, seed=0) == (alone, 0)


def test_the_seed_says_what_is_drawn() -> None:
    assert add_other_names(pairs(), 0.5, seed=3) == add_other_names(pairs(), 0.5, seed=3)
    assert add_other_names(pairs(), 1, seed=3) != add_other_names(pairs(), 1, seed=4)


def test_pairs_without_a_name_stay_as_they_are() -> None:
    plain = pairs({"It rains.": "Il pleut."})
    assert add_other_names(plain, 1, seed=0) == (plain, 0)
    assert add_other_names(pairs(), 0, seed=0) == (pairs(), 0)
