"""Rules that say where a request starts: which kinds of request, and what is set for them.

The first rule that matches decides. What the caller asked for by name stands over any rule. A rule
with a share applies to a part of what it matches, drawn by the conversation, so that its turns go
one way, and without one by the request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

from rung.core.conversation import drawn_by
from rung.core.draws import Drawn, draw
from rung.core.features import Features
from rung.core.plan import StreamMode
from rung.core.tasks import Category, Difficulty, Task
from rung.core.types import Lane, Need, Request


@dataclass(frozen=True, slots=True)
class Match:
    """What a request must be for a rule to apply; an empty set asks for nothing.

    ``tools``, ``schema`` and ``images`` say whether it must or must not have them, ``agent``
    whether a sub-agent must or must not ask; tokens are those of the prompt, estimated.
    ``least_certainty`` (0..1) is how sure the category must be. ``share`` (0..1) is the part of all
    these requests that the rule applies to.
    """

    categories: frozenset[Category] = frozenset()
    difficulties: frozenset[Difficulty] = frozenset()
    lanes: frozenset[Lane] = frozenset()
    projects: frozenset[str] = frozenset()
    ladders: frozenset[str] = frozenset()
    tools: bool | None = None
    schema: bool | None = None
    images: bool | None = None
    least_tokens: int = 0
    most_tokens: int | None = None
    least_certainty: float = 0.0
    agent: bool | None = None
    share: float = 1.0

    @property
    def reads_the_task(self) -> bool:
        """Whether what the request asks for has to be recognised first."""
        return bool(self.categories or self.difficulties or self.least_certainty)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. What is ``None`` or empty is left as it would be without it.

    ``entry`` is the tier that a plan starts from, ``ceiling`` the last that it may reach.
    """

    name: str
    match: Match = Match()
    ladder: str | None = None
    entry: str | None = None
    ceiling: str | None = None
    verify: tuple[str, ...] = ()
    deadline_seconds: float | None = None
    stream: StreamMode | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at. ``task`` recognises the task when a rule asks for it, once."""

    request: Request
    seen: Features
    ladder: str
    task: Callable[[], Task]


@dataclass(frozen=True, slots=True)
class Choice:
    """The rule that a request follows, if any, and the draws that led to it.

    ``ways`` are all that it could have followed, by how the draws had gone: each with its chance.
    They sum up to 1, and are one where nothing was drawn.
    """

    rule: Rule | None
    drawn: tuple[Drawn, ...]
    ways: tuple[tuple[Rule | None, float], ...]


def choose(rules: Sequence[Rule], facts: Facts) -> Choice:
    """The first rule that matches and, where it has a share, is drawn."""
    drawn: list[Drawn] = []
    ways: list[tuple[Rule | None, float]] = []
    followed: Rule | None = None
    left = 1.0
    for rule in rules:
        if not _applies(rule.match, facts):
            continue
        share = rule.match.share
        ways.append((rule, left * share))
        if share >= 1:
            followed = followed or rule
            break
        left *= 1 - share
        if followed is None:
            drawn.append(Drawn(rule.name, share, _draw(rule, facts.request) < share))
            followed = rule if drawn[-1].chosen else None
    else:
        ways.append((None, left))
    return Choice(followed, tuple(drawn), tuple(ways))


def _draw(rule: Rule, request: Request) -> float:
    """By the rule's name, so that rules draw apart, and a share that grows keeps those it had."""
    return draw(f"rule {rule.name}", crc32(drawn_by(request).encode("utf-8", "replace")))


def _applies(match: Match, facts: Facts) -> bool:
    asked = facts.request.directions
    needs = facts.seen.needs
    cheap = (
        not match.lanes or asked.lane in match.lanes,
        not match.projects or asked.project in match.projects,
        not match.ladders or facts.ladder in match.ladders,
        match.tools is None or match.tools is (Need.TOOLS in needs),
        match.schema is None or match.schema is facts.seen.has_schema,
        match.images is None or match.images is (Need.IMAGES in needs),
        match.agent is None or match.agent is (asked.agent is not None),
        match.least_tokens <= facts.seen.input_tokens,
        match.most_tokens is None or facts.seen.input_tokens <= match.most_tokens,
    )
    if not all(cheap):
        return False
    if not match.reads_the_task:
        return True
    task = facts.task()
    return (
        (not match.categories or task.category in match.categories)
        and (not match.difficulties or task.difficulty in match.difficulties)
        and task.confidence >= match.least_certainty
    )
