"""The kinds of things that should not leave the machine, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What is looked for."""

    KEYS = "keys"
    CARDS = "cards"
    IBANS = "ibans"
    EMAILS = "emails"
    NATIONAL_IDS = "national_ids"


ALL_KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Found:
    """Something of ``kind`` was found."""

    kind: Kind

    @property
    def words(self) -> str:
        """As people read it: "a card number"."""
        return WORDS[self.kind]


WORDS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.KEYS: "a key or a password",
        Kind.CARDS: "a card number",
        Kind.IBANS: "a bank account",
        Kind.EMAILS: "an e-mail address",
        Kind.NATIONAL_IDS: "a national id",
    }
)
