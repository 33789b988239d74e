"""A rule of rung.toml: the keys that match a request, and those that set something for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rung.core.errors import Problem
from rung.core.nearest import nearest
from rung.core.plan import StreamMode
from rung.core.rules import Match, Rule
from rung.core.tasks import Category, Difficulty
from rung.core.types import Lane

Tokens = Annotated[int, Field(ge=0)]
SETS = ("ladder", "entry", "ceiling", "verify", "deadline_seconds", "stream")


def as_share(given: object) -> object:
    """A share as people write it: ``"2%"`` or 0.02."""
    if isinstance(given, str) and given.strip().endswith("%"):
        try:
            return float(given.strip()[:-1]) / 100
        except ValueError:
            return given
    return given


class RuleTable(BaseModel):
    """One `[[rules]]` table; the first that matches a request decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = None
    category: frozenset[Category] = frozenset()
    difficulty: frozenset[Difficulty] = frozenset()
    lane: frozenset[Lane] = frozenset()
    project: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()
    tools: bool | None = None
    json_schema: bool | None = None
    images: bool | None = None
    agent: bool | None = None
    min_tokens: Tokens = 0
    max_tokens: Tokens | None = None
    certainty: Annotated[float, Field(ge=0, le=1)] = 0.0
    share: Annotated[float, Field(gt=0, le=1), BeforeValidator(as_share)] = 1.0
    ladder: str | None = None
    entry: str | None = None
    ceiling: str | None = None
    verify: tuple[str, ...] = ()
    deadline_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    stream: StreamMode | None = None

    def rule(self, number: int) -> Rule:
        """As the core has it; ``number`` (from 1) names one without a name."""
        return Rule(
            name=self.name or f"rule {number}",
            match=Match(
                self.category,
                self.difficulty,
                self.lane,
                self.project,
                self.on,
                self.tools,
                self.json_schema,
                self.images,
                self.min_tokens,
                self.max_tokens,
                self.certainty,
                self.agent,
                self.share,
            ),
            ladder=self.ladder,
            entry=self.entry,
            ceiling=self.ceiling,
            verify=self.verify,
            deadline_seconds=self.deadline_seconds,
            stream=self.stream,
        )


def faults(
    rules: tuple[RuleTable, ...],
    tiers: Collection[str],
    ladders: Mapping[str, Collection[str]],
    verifiers: Collection[str],
) -> Iterator[Problem]:
    """What is wrong with rules beside their types: names that are none, rules that do nothing."""
    for place, rule in enumerate(rules):
        at = f"rules.{place}"
        if all(getattr(rule, key) in {None, ()} for key in SETS):
            fix = f"set one of {', '.join(SETS)}"
            yield Problem(at, "the rule sets nothing.", fix)
        yield from _unknown(at, rule, tiers, ladders, verifiers)
        yield from _misplaced(at, rule, ladders)
        yield from _drawn_alike(place, rules)


def _drawn_alike(place: int, rules: tuple[RuleTable, ...]) -> Iterator[Problem]:
    """Two shares under one name would be the same requests, or parts of them."""
    rule, before = rules[place], rules[:place]
    if (
        rule.name
        and rule.share < 1
        and any(each.name == rule.name and each.share < 1 for each in before)
    ):
        said = f"a rule before it has a share and the name {rule.name!r} too."
        yield Problem(f"rules.{place}.name", said, "give it another: by its name it draws")


def _unknown(
    at: str,
    rule: RuleTable,
    tiers: Collection[str],
    ladders: Mapping[str, Collection[str]],
    verifiers: Collection[str],
) -> Iterator[Problem]:
    named = [("ladder", "ladder", rule.ladder, ladders), ("entry", "tier", rule.entry, tiers)]
    named += [("ceiling", "tier", rule.ceiling, tiers)]
    named += [("on", "ladder", each, ladders) for each in sorted(rule.on)]
    named += [("verify", "verifier", each, verifiers) for each in rule.verify]
    for key, what, name, known in named:
        if name is not None and name not in known:
            near = nearest(name, list(known))
            yield Problem(f"{at}.{key}", f"there is no {what} {name!r}.", near)


def _misplaced(
    at: str, rule: RuleTable, ladders: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    """An entry or a ceiling that stands on none of the ladders the rule can apply to."""
    on = [rule.ladder] if rule.ladder is not None else sorted(rule.on) or sorted(ladders)
    places = [list(ladders[name]) for name in on if name in ladders]
    for key in ("entry", "ceiling"):
        tier = getattr(rule, key)
        if tier is not None and places and all(tier not in each for each in places):
            said = f"{tier!r} stands on no ladder that the rule is for."
            yield Problem(f"{at}.{key}", said, "name the ladder with `ladder` or `on`")
    for tiers in places:
        ends = [tiers.index(end) for end in (rule.entry, rule.ceiling) if end in tiers]
        if ends != sorted(ends):
            yield Problem(f"{at}.ceiling", "the ceiling is below the entry.", "exchange them")
