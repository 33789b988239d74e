"""What Claude Code and Codex tell in headers of their own: which sub-agent asks, and who waits.

Claude Code: https://code.claude.com/docs/en/llm-gateway. Codex: codex-rs/core/src/client.rs in
https://github.com/openai/codex.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from rung.core.types import Lane

APP = b"x-app"
AGENT = b"x-claude-code-agent-id"
CLASS = b"x-claude-code-request-class"
SUBAGENT = b"x-openai-subagent"
PARENT = b"x-codex-parent-thread-id"
MEMORIES = b"x-openai-memgen-request"
METADATA = b"x-codex-turn-metadata"
THREAD = b"thread-id"
SESSION = b"session-id"

_READ = frozenset({APP, AGENT, CLASS, SUBAGENT, PARENT, MEMORIES, METADATA, THREAD, SESSION})

BACKGROUND_APP = b"cli-bg"
MEMORY = "memory_consolidation"
COMPACTION = "compact"
"""Codex's name for shortening its history: its main loop's work, with its main loop's prompt."""

DELEGATED = frozenset({"subagent", "workflow"})
"""Requests that are no main loop's; told only with CLAUDE_CODE_GATEWAY_HINT_HEADERS=1."""

MOST_METADATA_BYTES = 8_192
LONGEST_AGENT = 100
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]+")


class _Metadata(msgspec.Struct):
    thread_source: str | None = None


_METADATA = msgspec.json.Decoder(_Metadata)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a sub-agent by the client's name of it, and the lane that the client implies."""

    agent: str | None = None
    lane: Lane | None = None


NOBODY = Asker()


def asker(headers: Iterable[tuple[bytes, bytes]]) -> Asker:
    """What a harness's headers say of a request. What cannot be read says nothing."""
    found = {low: value.strip() for name, value in headers if (low := name.lower()) in _READ}
    if not found:
        return NOBODY
    agent = _of_claude_code(found) or _of_codex(found)
    return Asker(agent, Lane.BACKGROUND if _nobody_waits(found) else None)


def _of_claude_code(found: dict[bytes, bytes]) -> str | None:
    named = _plain(found.get(AGENT, b""))
    delegated = _plain(found.get(CLASS, b""))
    return named or (delegated if delegated in DELEGATED else None)


def _of_codex(found: dict[bytes, bytes]) -> str | None:
    """A thread of its own below the session's. The session's own thread is the main loop."""
    label = _label(found)
    thread = found.get(THREAD, b"")
    own = _plain(thread) if thread != found.get(SESSION) or PARENT in found else ""
    if label in {"", COMPACTION, "user"}:
        return own if PARENT in found and own else None
    return f"{label} {own}".strip()


def _label(found: dict[bytes, bytes]) -> str:
    if SUBAGENT in found or METADATA not in found:
        return _plain(found.get(SUBAGENT, b""))
    return _plain((_thread_source(found[METADATA]) or "").encode("utf-8", "replace"))


def _thread_source(metadata: bytes) -> str | None:
    try:
        return _METADATA.decode(metadata[:MOST_METADATA_BYTES]).thread_source
    except (msgspec.DecodeError, RecursionError):
        return None


def _nobody_waits(found: dict[bytes, bytes]) -> bool:
    return (
        found.get(APP, b"").lower() == BACKGROUND_APP
        or found.get(MEMORIES, b"").lower() == b"true"
        or _label(found) == MEMORY
    )


def _plain(value: bytes) -> str:
    """A name fit for a ledger and a terminal."""
    return _UNPRINTABLE.sub("_", value[:LONGEST_AGENT].decode("latin-1")).strip("_")
