"""Check digits, as banks and states compute them, of what is written without separators."""

from __future__ import annotations

from collections.abc import Sequence

_VERHOEFF_SHIFT = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled, the sum a multiple of ten."""
    right = [int(digit) for digit in reversed(digits)]
    return (sum(right[::2]) + sum(_DOUBLED[digit] for digit in right[1::2])) % 10 == 0


def mod97(account: str) -> bool:
    """ISO 7064 MOD 97-10, as in an IBAN: letters count from 10."""
    moved = account[4:] + account[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def mod11_10(digits: str) -> bool:
    """ISO 7064 MOD 11,10: the last digit checks the others."""
    rest = 10
    for digit in digits[:-1]:
        rest = (rest + int(digit)) % 10 or 10
        rest = rest * 2 % 11
    return (11 - rest) % 10 == int(digits[-1])


def ean(digits: str) -> bool:
    """EAN-13: weights of 1 and 3."""
    values = [int(digit) for digit in digits]
    return (sum(values[::2]) + 3 * sum(values[1::2])) % 10 == 0


def verhoeff(digits: str) -> bool:
    """Verhoeff's dihedral check."""
    rest = 0
    for place, digit in enumerate(reversed(digits)):
        rest = _dihedral(rest, _VERHOEFF_SHIFT[place % 8][int(digit)])
    return rest == 0


def weighted(digits: str, weights: Sequence[int]) -> int:
    """The sum of the digits, each times its weight."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _dihedral(one: int, other: int) -> int:
    if one < 5:
        return (one + other) % 5 + (0 if other < 5 else 5)
    return (one - other) % 5 + (5 if other < 5 else 0)
