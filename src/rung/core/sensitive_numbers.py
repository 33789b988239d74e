"""Payment cards, bank accounts and national numbers in a text, by their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from rung.core.check_digits import luhn, mod97
from rung.core.lettered_ids import lettered
from rung.core.national_ids import ID_RULES, IdRule, Shape, is_near

_RUN = re.compile(r"[0-9](?:[ .\-/]{0,2}[0-9]){8,}+")
_GROUP = re.compile("[0-9]+")
_MOST_GROUPS = 7
_LETTERS_BEFORE = re.compile(r"[A-Za-z]{1,20}\Z")
_LETTERS_AFTER = re.compile(r"[A-Za-z]{1,20}")
_HEX = frozenset("abcdefABCDEF")

# ------------------------------------------------------------------ numbers in a text


class Number(NamedTuple):
    """A number with its place in a text; ``marks`` are the separators between its digits."""

    digits: str
    marks: str
    shape: Shape
    start: int
    end: int


def numbers(text: str) -> Iterator[Number]:
    """Every number of whole groups of digits that is long enough, where groups are separated."""
    for run in _RUN.finditer(text):
        groups = [found.span() for found in _GROUP.finditer(text, *run.span())]
        for first, (start, _) in enumerate(groups):
            yield from _from(text, groups[first : first + _MOST_GROUPS], start)


def _from(text: str, groups: list[tuple[int, int]], start: int) -> Iterator[Number]:
    """The numbers that begin with the first of these groups."""
    digits, marks, end = "", "", start
    shape: Shape = ()
    for group_start, group_end in groups:
        digits += text[group_start:group_end]
        if shape:
            marks += text[end:group_start]
        shape += (group_end - group_start,)
        if shape not in _BEGINNINGS:
            return
        end = group_end
        if shape in _SHAPES:
            yield Number(digits, marks, shape, start, end)


def _stands_alone(text: str, number: Number) -> bool:
    """Whether it is no piece of a hash, of a fraction or of a name in code."""
    before, after = text[: number.start][-20:], text[number.end : number.end + 20]
    if before[-1:] == "." and before[-2:-1].isdigit():
        return False
    for letters in (_LETTERS_BEFORE.search(before), _LETTERS_AFTER.match(after)):
        if letters is not None and not set(letters[0]) - _HEX:
            return False
    return after[:1] != "_" or not before[-1:].isalnum()


# ------------------------------------------------------------------ cards

_CARD_SHAPES: frozenset[Shape] = frozenset(
    {(14,), (15,), (16,), (17,), (18,), (19,)}
    | {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1)}
    | {(6, 13), (8, 8), (6, 10)}
)
_ISSUERS = (
    (re.compile("4"), (16, 19)),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile("3[47]"), (15,)),
    (re.compile("6011|64[4-9]|65"), (16, 19)),
    (re.compile("30[0-5]|3095|3[689]"), (14,)),
    (re.compile("352[89]|35[3-8]"), (16, 19)),
    (re.compile("62|81"), (16, 17, 18, 19)),
    (re.compile("50|5[6-8]|60|63|67"), (16, 18, 19)),
    (re.compile("220[0-4]|9792"), (16,)),
)
"""How issuers' numbers begin, and how long they are:
https://en.wikipedia.org/wiki/Payment_card_number"""


def is_card(digits: str) -> bool:
    """Whether these digits are a payment card's by issuer, length and Luhn's check."""
    issued = any(len(digits) in lengths and start.match(digits) for start, lengths in _ISSUERS)
    return issued and len(set(digits)) > 1 and luhn(digits)


def _is_card_here(text: str, number: Number) -> bool:
    return (
        number.shape in _CARD_SHAPES
        and "/" not in number.marks
        and is_card(number.digits)
        and _stands_alone(text, number)
    )


def has_card(text: str) -> bool:
    """Whether a payment card's number stands in ``text``."""
    return any(map(partial(_is_card_here, text), numbers(text)))


# ------------------------------------------------------------------ national ids

_BY_SHAPE: dict[Shape, tuple[IdRule, ...]] = {
    shape: tuple(rule for rule in ID_RULES if shape in rule.shapes)
    for shape in {shape for rule in ID_RULES for shape in rule.shapes}
}
_SHAPES = _CARD_SHAPES | set(_BY_SHAPE)
_BEGINNINGS = {shape[:length] for shape in _SHAPES for length in range(1, len(shape) + 1)}


def has_national_id(text: str) -> bool:
    """Whether a number by which a state knows a person stands in ``text``."""
    for number in numbers(text):
        for rule in _BY_SHAPE.get(number.shape, ()):
            if _obeys(rule, number, text) and _stands_alone(text, number):
                return True
    return next(lettered(text), None) is not None


def _obeys(rule: IdRule, number: Number, text: str) -> bool:
    if not rule.valid(number.digits, number.marks):
        return False
    return rule.words is None or is_near(rule.words, text, number.start, number.end)


# ------------------------------------------------------------------ bank accounts

_COUNTRIES = (
    (15, "NO"),
    (16, "BE BI"),
    (18, "DK FK FI FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH CR HR LI LV"),
    (22, "BG BH DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BF CF CG CI CM DJ DZ FR GA GR IT KM MA MC MR NE SM SN TD TG"),
    (28, "AL AZ BY CY DO GT GW HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
)
_IBAN_LENGTHS = {country: length for length, each in _COUNTRIES for country in each.split()}
"""How long an account's number is, by country. The registry: https://www.swift.com/standards/
data-standards/iban-international-bank-account-number, and what its users add to it."""

_IBAN = re.compile("[0-9]{2}(?:(?<=[A-Za-z]{2}..)|(?<=[A-Za-z]{2}[ -]..))")
"""The check digits after a country: an anchor that is rare in texts."""

_IBAN_REST = re.compile(r"(?:[ .\-]{0,2}[0-9A-Za-z]){11,32}")
_NO_SEPARATORS = str.maketrans("", "", " .-")


def has_iban(text: str) -> bool:
    """Whether a bank account's number stands in ``text``."""
    return any(_is_iban(text, found) for found in _IBAN.finditer(text))


def _is_iban(text: str, found: re.Match[str]) -> bool:
    before = text[max(0, found.start() - 4) : found.start()].rstrip(" -")
    country = before[-2:].upper()
    length = _IBAN_LENGTHS.get(country)
    if length is None or before[-3:-2].isalnum():
        return False
    rest = _IBAN_REST.match(text, found.end())
    if rest is None:
        return False
    account = (country + found[0] + rest[0].translate(_NO_SEPARATORS).upper())[:length]
    digits = sum(char.isdigit() for char in account[4:])
    return len(account) == length and digits >= length // 3 and mod97(account)
