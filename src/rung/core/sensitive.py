"""What in a text should not leave the machine: keys, payment cards, bank accounts, addresses, ids.

Findings name the kind and nothing else: what was found stands in no log, no error, no ledger.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from rung.core.sensitive_keys import has_key
from rung.core.sensitive_kinds import ALL_KINDS, Found, Kind
from rung.core.sensitive_numbers import has_card, has_iban, has_national_id
from rung.core.sensitive_readings import readings

_MAIL = re.compile(
    r"@(?<=[\w%+\"-]@)(?:[^\W_][\w-]{0,62}\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,58})(?![\w(-])"
)
_MAILBOX = re.compile(r"[\w.%+-]{1,64}\Z")
_NOBODY = re.compile(r"(?:no|do-?not)[-_.]?reply|git", re.IGNORECASE)
"""Mailboxes that belong to nobody: senders of notices, and the login of git over ssh."""


def has_email(text: str) -> bool:
    """Whether somebody's e-mail address stands in ``text``."""
    for found in _MAIL.finditer(text):
        before = text[max(0, found.start() - 64) : found.start()]
        mailbox = _MAILBOX.search(before)
        if mailbox is None or _NOBODY.fullmatch(mailbox[0]) is None:
            return True
    return False


_DETECTORS: Mapping[Kind, Callable[[str], bool]] = MappingProxyType(
    {
        Kind.KEYS: has_key,
        Kind.CARDS: has_card,
        Kind.IBANS: has_iban,
        Kind.NATIONAL_IDS: has_national_id,
        Kind.EMAILS: has_email,
    }
)


def find(text: str, kinds: Iterable[Kind] = ALL_KINDS) -> Found | None:
    """The first of ``kinds`` that stands in ``text``, however it is spelt; ``None`` without one.

    Takes time in proportion to the text.
    """
    wanted = [(kind, has) for kind, has in _DETECTORS.items() if kind in set(kinds)]
    for reading in readings(text):
        for kind, has in wanted:
            if has(reading):
                return Found(kind)
    return None
