"""Problems made here in any number, for measurements that must not need a dataset: word problems and formulas.

Not good problems: their words, numbers and lengths (180 characters in the mean, as of GSM8K and MATH) are what counts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_PEOPLE = "Ada Basil Chloe Dmitri Esther Faisal Greta Hugo Imani Joris Kenji Leila Marta Noor Otto Pilar Quentin Rosa"
_THINGS = """
apples pencils marbles tickets books cookies lamps chairs stamps candles kites shells boxes bricks flowers coins
bottles plates ribbons beads planks tiles ropes jars sandwiches posters letters rabbits geese tomatoes pumpkins
"""
_PLACES = "market library garden workshop harbor school bakery station museum farm theater kitchen village stadium"
_JOBS = "baker farmer teacher driver painter tailor gardener plumber sailor miner weaver printer"
_SENTENCES = (
    "{name} has {a} {thing} and gives {b} of them to {other}.",
    "{name} buys {a} {thing} at the {place} for ${b} each.",
    "A {job} at the {place} packs {a} {thing} into each of {b} {thing2}.",
    "Every day {name} walks {a} km to the {place} and then {b} km home.",
    "The {place} sells {a} {thing} in the morning and {b} times as many in the afternoon.",
    "{name} is {a} years older than {other}, who is {b} years old.",
    "A {job} needs {a} minutes for one of the {thing} and has {b} hours.",
    "Half of the {thing} in the {place} belong to {name}, and {a}% of the rest to {other}.",
    "There are {a} rows of {b} {thing} each behind the {place}.",
    "{name} saves ${a} a week and spends ${b} on {thing}.",
    "A tank in the {place} holds {a} liters and loses {b} liters an hour.",
    "{other} paints {a} {thing} a day while {name} paints {b}.",
    r"Let $f(x) = {a}x^2 - {b}x + {c}$.",
    r"The sequence $a_n$ satisfies $a_1 = {a}$ and $a_{{n+1}} = \frac{{a_n + {b}}}{{{c}}}$.",
    r"A triangle has sides of length ${a}$, ${b}$ and $\sqrt{{{c}}}$.",
    r"A circle of radius ${a}$ touches the line $y = {b}x + {c}$.",
    r"The integers $p$ and $q$ satisfy $p + q = {a}$ and $pq \le {b}$.",
    r"A fair die with ${a}$ faces is rolled ${b}$ times.",
    r"Suppose that $\log_{{{b}}} y = \frac{{{a}}}{{{c}}}$ and $y > {a}$.",
    r"The polynomial $x^3 + {a}x^2 - {b}x + {c}$ has three real roots.",
)
_QUESTIONS = (
    "How many {thing} are left for {name}?",
    "How much money does {name} have in the end?",
    "After how many hours does the {job} have none left?",
    "What is the total number of {thing} and {thing2}?",
    r"What is the value of $\frac{{x}}{{{a}}}$?",
    r"Find the smallest integer $n > {a}$ for which this is possible.",
    r"What is the remainder when the sum is divided by ${b}$?",
    r"Compute $f({a}) + f({b})$.",
    "What is the area, in square centimeters?",
    "Express the probability as a common fraction.",
)


def made_problems(count: int, seed: int) -> Iterator[str]:
    """``count`` problems of two to five sentences. Another seed gives others of the same kind."""
    chance = random.Random(seed)
    people, things, places, jobs = (words.split() for words in (_PEOPLE, _THINGS, _PLACES, _JOBS))
    for _ in range(count):
        name, other = chance.sample(people, 2)
        thing, thing2 = chance.sample(things, 2)
        words = {"name": name, "other": other, "thing": thing, "thing2": thing2}
        words |= {"place": chance.choice(places), "job": chance.choice(jobs)}
        sentences = chance.sample(_SENTENCES, chance.randint(1, 4))
        said = [
            s.format(a=chance.randint(2, 400), b=chance.randint(2, 60), c=chance.randint(2, 99), **words)
            for s in [*sentences, chance.choice(_QUESTIONS)]
        ]
        yield " ".join(said)
