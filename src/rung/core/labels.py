"""What somebody outside the cascade says of an answer, and what a human made of an inbox entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class LabelSource(StrEnum):
    """Who says whether an answer was right.

    HUMAN: a person, by `rung label`. FEEDBACK: the caller's program, afterwards. INBOX: the person
    who answered what no tier passed. AUDIT: a second look at a sample. TEST: a known answer.
    """

    HUMAN = "human"
    FEEDBACK = "feedback"
    INBOX = "inbox"
    AUDIT = "audit"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Label:
    """One opinion on one answer. Opinions are added, never changed: the last of a source counts.

    ``attempt`` is the answer's place among the attempts, from 0. ``None`` stands for the served
    one when a label is given, and in a stored label for the words of a human. ``id`` grows with
    each label, 0 is one that is not stored yet.
    """

    request_id: str
    right: bool
    source: LabelSource
    created_unix: float
    attempt: int | None = None
    by: str | None = None
    note: str = ""
    id: int = 0


BELIEVED = (
    LabelSource.HUMAN,
    LabelSource.TEST,
    LabelSource.INBOX,
    LabelSource.FEEDBACK,
    LabelSource.AUDIT,
)
"""Whose word counts where sources differ on one answer: whoever stands first."""


def believed(labels: Iterable[Label]) -> dict[tuple[str, int | None], Label]:
    """One label for each answer, by request and place: of its best source, the last one."""
    found: dict[tuple[str, int | None], Label] = {}
    for label in sorted(labels, key=lambda label: (-BELIEVED.index(label.source), label.id)):
        found[label.request_id, label.attempt] = label
    return found


class InboxState(StrEnum):
    """What became of a request that no tier passed. Each is closed once, and stays closed."""

    OPEN = "open"
    ANSWERED = "answered"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Closing:
    """How a human closed an inbox entry.

    ``text`` is the answer, ``None`` for one that was dismissed. ``attempt`` is the place of the
    draft that was accepted as it is; ``None`` where the words are the human's own. ``verified`` is
    as an outcome's: what the gates of the request say of this answer.
    """

    request_id: str
    state: InboxState
    created_unix: float
    text: str | None = None
    attempt: int | None = None
    verified: bool | None = None
    by: str | None = None
    note: str = ""

    @property
    def answered(self) -> bool:
        """Whether there is an answer."""
        return self.state is InboxState.ANSWERED
