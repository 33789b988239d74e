"""Tool-call ids and tool names, fitted to what a dialect allows: deterministic, both ways.

An id that a dialect refuses is wrapped so that it can be unwrapped when the conversation comes
back, without any memory. Only where the wrapped one does not fit either does a hash stand in: the
call and its result still find each other, the provider's own id is gone.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import blake2b

WRAPPED = "rung_"
MOST_NAME_CHARACTERS = 64
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]")
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class IdRule:
    """What an id has to look like, and how long a hash in its place is."""

    pattern: re.Pattern[str]
    hash_characters: int = 24

    def allows(self, id: str) -> bool:  # noqa: A002 the field's name
        """Whether this id may be sent as it is."""
        return self.pattern.fullmatch(id) is not None


ANY = IdRule(re.compile(r".+", re.DOTALL))
ANTHROPIC = IdRule(re.compile(r"[A-Za-z0-9_-]+"))
"""https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use"""
RESPONSES = IdRule(re.compile(r".{1,64}", re.DOTALL))
MISTRAL = IdRule(re.compile(r"[A-Za-z0-9]{9}"), 9)
"""https://github.com/langchain-ai/langchain/pull/24668"""


def fit(id: str, rule: IdRule) -> str:  # noqa: A002 the field's name
    """``id`` as ``rule`` allows it: the same for the same, and one for an empty one too."""
    own = unwrap(id)
    if rule.allows(own):
        return own
    wrapped = _wrapped(own)
    if rule.allows(wrapped):
        return wrapped
    number = int.from_bytes(blake2b(own.encode("utf-8", "surrogatepass")).digest())
    letters = []
    for _ in range(rule.hash_characters):
        number, place = divmod(number, len(_ALPHANUMERIC))
        letters.append(_ALPHANUMERIC[place])
    return "".join(letters)


def unwrap(id: str) -> str:  # noqa: A002 the field's name
    """The id inside of a wrapped one; any other as it is, and what only looks like one too."""
    if not id.startswith(WRAPPED):
        return id
    code = id.removeprefix(WRAPPED)
    try:
        own = base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_", validate=True)
        text = own.decode()
    except (binascii.Error, ValueError):
        return id
    return text if _wrapped(text) == id and unwrap(text) == text else id


def _wrapped(own: str) -> str:
    code = base64.urlsafe_b64encode(own.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    return WRAPPED + code


def wire_name(name: str, namespace: str = "") -> str:
    """A tool's name where dialects know no namespaces and few characters."""
    joined = f"{namespace}__{name}" if namespace else name
    if _NAME.fullmatch(joined):
        return joined
    code = blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{_NOT_NAME.sub('_', joined)[: MOST_NAME_CHARACTERS - 9]}_{code}"
