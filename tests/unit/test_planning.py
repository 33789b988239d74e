"""Where a request starts when several have a say in it, and with what chance it started there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rung.assemble import assemble
from rung.config import parse
from rung.core.guidance import Taught
from rung.core.parts import Message, Role, Text
from rung.core.plan import Lead, Route
from rung.core.types import Directions, Request
from rung.guides import Conversations, Learned
from rung.planning import Planner

CONFIG = """
[tiers.a]
provider = "embedded"
[tiers.b]
provider = "openai_compatible"
base_url = "https://there.example/v1"
model = "b"
price = "free"
[tiers.c]
provider = "embedded"
[ladders.default]
tiers = ["a", "b", "c"]
"""
UP, AGAIN = Lead("b", "a is no use", 0.9), Lead(None, "drawn, though a is no use", 0.1)


@dataclass
class Drawn(Learned):
    """Proposes what it is told."""

    lead: Lead
    other: Lead

    def of(self, *_: object) -> Taught:
        return Taught(self.lead, self.other)


@dataclass
class Sitting(Conversations):
    """Every conversation sits at one tier."""

    tier: str

    def lead(self, *_: object) -> Lead:
        return Lead(self.tier, "it sits there")


def route(
    tmp_path: Path, lead: Lead, *, rules: str = "", sits: str | None = None, **asked: Any
) -> tuple[str, Route]:
    """The tier that is called first, and the route."""
    planner: Planner = assemble(
        parse(CONFIG + rules, tmp_path / "rung.toml", {}), ledger=False
    ).intake._planner
    learned = Drawn(lead, AGAIN if lead is UP else UP)
    guides = replace(planner.guides, learned=learned)
    if sits is not None:
        guides = replace(guides, conversations=Sitting(sits))
    said = (Message(Role.USER, (Text("Hello there"),)),)
    request = Request("r-1", "library", said, directions=Directions(**asked))
    made = replace(planner, guides=guides).order(request).plan
    return made.steps[0].tier, made.route


def test_a_draw_that_decides_has_its_chance_whichever_way_it_went(tmp_path: Path) -> None:
    first, up = route(tmp_path, UP)
    assert (first, up.propensity, up.why) == ("b", 0.9, "a is no use")
    first, again = route(tmp_path, AGAIN)
    assert (first, again.propensity, again.why) == ("a", 0.1, "drawn, though a is no use")


@pytest.mark.parametrize("lead", [UP, AGAIN])
@pytest.mark.parametrize(
    ("first", "more"),
    [
        ("a", {"ceiling": "a"}),
        ("c", {"tier": "c"}),
        ("b", {"sits": "b"}),
        ("c", {"sits": "c"}),
        ("c", {"rules": '[[rules]]\nentry = "c"\n'}),
        ("a", {"rules": '[[rules]]\nceiling = "a"\n'}),
    ],
)
def test_where_no_draw_decides_the_chance_is_one(
    tmp_path: Path, lead: Lead, first: str, more: dict[str, Any]
) -> None:
    started, found = route(tmp_path, lead, **more)
    assert (started, found.propensity) == (first, 1.0)


def test_what_calls_can_cost_is_known_where_a_tier_may_be_given_up(tmp_path: Path) -> None:
    priced = CONFIG.replace(
        'price = "free"', "price = {input_usd_per_mtok=1, output_usd_per_mtok=2}"
    )
    limits = "[ladders.default.limits.c]\nmost_spent_usd = 0.05\n"
    said = (Message(Role.USER, (Text("Hello there"),)),)
    for more, known in (("", False), (limits, True)):
        made = assemble(parse(priced + more, tmp_path / "rung.toml", {}), ledger=False)
        steps = made.intake._planner.order(Request("r-1", "library", said)).plan.steps
        assert (steps[1].worst_cost_nanousd > 0) is known
        assert steps[2].most_spent_nanousd == (50_000_000 if known else None)


def test_what_leaves_no_tier_is_not_told_as_the_reason(tmp_path: Path) -> None:
    first, found = route(tmp_path, UP, ceiling="a")
    assert (first, found.why) == ("a", "")


def test_a_draw_that_sends_a_private_request_past_a_local_tier_decides(tmp_path: Path) -> None:
    assert [route(tmp_path, lead, private=True)[0] for lead in (UP, AGAIN)] == ["c", "a"]
    assert route(tmp_path, UP, private=True)[1].propensity == 0.9
