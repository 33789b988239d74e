"""Rules that say where a request starts: which kinds of request, and what is set for them.

The first rule that matches decides. What the caller asked for by name stands over any rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rung.core.features import Features
from rung.core.plan import StreamMode
from rung.core.tasks import Category, Difficulty, Task
from rung.core.types import Lane, Need, Request


@dataclass(frozen=True, slots=True)
class Match:
    """What a request must be for a rule to apply; an empty set asks for nothing.

    ``tools``, ``schema`` and ``images`` say whether it must or must not have them, ``agent``
    whether a sub-agent must or must not ask; tokens are those of the prompt, estimated.
    ``least_certainty`` (0..1) is how sure the category must be.
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


def first(rules: Sequence[Rule], facts: Facts) -> Rule | None:
    """The first rule that applies."""
    return next((rule for rule in rules if _applies(rule.match, facts)), None)


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
