"""Rules that hold for a share of what they match: who is drawn, with which chance, what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.assemble import assemble
from rung.cli.route import _rule as rule_shown
from rung.config import Config, parse
from rung.core.conversation import drawn_by, key
from rung.core.draws import Drawn
from rung.core.errors import ConfigError, RequestError
from rung.core.features import features
from rung.core.guidance import Taught
from rung.core.parts import Image, Message, Role, Text
from rung.core.plan import Lead, Plan, Policy, Route, Rung
from rung.core.rules import Match, Rule
from rung.core.tasks import Category
from rung.core.trials import past_of
from rung.core.types import Directions, Request
from rung.deciding import decider
from rung.guides import Learned
from rung.ledger import Ledger
from rung.plan_account import draws, plan_json, route_json
from rung.planning import Planner
from rung.routing import Router
from rung.tuner.from_ledger import ledger_outcomes
from support.outcomes import outcome
from support.routed import TIERS as ROUTED
from support.routed import finished
from support.transcripts import SYSTEM, Transcript

MAIN = Policy("main", (Rung("cheap"), Rung("top")))
PART = Policy("main-part", (Rung("cheap"),))
LADDERS = {"main": MAIN, "main-part": PART}
COUNT = 4000
FIRST_DRAWN = [2, 6, 7, 8, 18, 19]


def rule(share: float, name: str = "main-part", **sets: Any) -> Rule:
    return Rule(name, Match(share=share), **({"ladder": "main-part"} | sets))


def asking(name: str = "r-1", *messages: Message, **changes: Any) -> Request:
    said = messages or (Message(Role.USER, (Text("Hello there"),)),)
    return Request(name, "chat", said, **changes)


def known(request: Request) -> Request:
    """As it is once its conversation has its key."""
    return request.in_conversation(key(request))


def went(request: Request, *rules: Rule) -> tuple[str, Route]:
    """The ladder, and the route."""
    routed = Router(rules, LADDERS).of(request, features(request), MAIN)
    return routed.policy.ladder, routed.route


def chosen(count: int = COUNT, *rules: Rule) -> set[int]:
    return {n for n in range(count) if went(asking(f"r-{n}"), *rules)[0] == "main-part"}


# ------------------------------------------------------------------ who is drawn


@pytest.mark.parametrize("share", [0.02, 0.3, 0.95])
def test_about_the_share_of_requests_is_drawn_and_always_the_same(share: float) -> None:
    drawn = chosen(COUNT, rule(share))
    assert drawn == chosen(COUNT, rule(share))
    assert len(drawn) / COUNT == pytest.approx(share, abs=4 * (share * (1 - share) / COUNT) ** 0.5)


def test_another_machine_or_version_draws_the_same() -> None:
    assert sorted(chosen(20, rule(0.3))) == FIRST_DRAWN


def test_a_share_that_grows_keeps_those_it_had() -> None:
    assert chosen(COUNT, rule(0.3)) < chosen(COUNT, rule(0.4))


def test_two_rules_draw_apart() -> None:
    one, other = chosen(COUNT, rule(0.3)), chosen(COUNT, rule(0.3, "another"))
    assert len(one & other) / COUNT == pytest.approx(0.09, abs=0.02)


def test_a_whole_share_draws_nobody() -> None:
    ladder, route = went(asking(), rule(1.0))
    assert (ladder, route.drawn, route.propensity) == ("main-part", (), 1.0)


def test_who_is_not_drawn_follows_the_next_rule_that_matches() -> None:
    rules = (rule(0.3), Rule("rest", entry="top"))
    for number in range(50):
        ladder, route = went(asking(f"r-{number}"), *rules)
        led = ladder == "main-part"
        assert (route.rule, route.entry) == (("main-part", None) if led else ("rest", "top"))


# ------------------------------------------------------------------ conversations


AGENT = st.builds(
    Transcript,
    session=st.sampled_from(("", "s-1", "s-2")),
    asked=st.text(max_size=40).map(lambda said: f"Please {said}"),
    tools=st.sampled_from(((), Transcript().tools)),
)


@given(AGENT, st.floats(0.05, 0.95))
def test_all_turns_of_a_conversation_go_the_same_way(agent: Transcript, share: float) -> None:
    first = went(known(agent.request()), rule(share))
    agent.edit().bash("pytest", "1 passed in 0.1s").says("Done.").user("Now document it.")
    later = known(replace(agent.request(), id="another"))
    assert went(later, rule(share)) == first


def test_compaction_moves_no_agent_that_names_its_session() -> None:
    later = Transcript(asked="This session is being continued from a previous conversation.")
    assert drawn_by(known(later.request())) == drawn_by(known(Transcript().request()))


def test_a_clock_in_the_system_prompt_moves_nobody() -> None:
    one, other = (
        Transcript(session="", tools=(), system=(f"It is {hour}:00 now. Help.",)).request()
        for hour in (11, 12)
    )
    assert drawn_by(known(one)) == drawn_by(known(other))


LONG = "You are given a ticket. Say what it is about, in one word. " * 100


@pytest.mark.parametrize(
    "one",
    [
        lambda n: asking("r", Message(Role.USER, (Text(f"{LONG} Ticket: {'x' * n}"),))),
        lambda n: asking(
            "r", Message(Role.USER, (Text("What is it?"), Image("image/png", "x" * (n + 1))))
        ),
        lambda n: asking(
            "r",
            Message(Role.SYSTEM, (Text(f"{SYSTEM} {LONG} {'x' * n}"),)),
            Message(Role.USER, (Text("Answer."),)),
        ),
        lambda n: asking(
            "r", Message(Role.USER, (Text(f"Ask {'x' * n}"),)), session="s", session_shared=True
        ),
    ],
    ids=["a long beginning", "pictures", "a long system prompt", "one prompt cache for all"],
)
def test_calls_of_a_program_that_begin_alike_are_drawn_one_by_one(one: Any) -> None:
    requests = [known(one(n)) for n in range(300)]
    drawn = sum(went(each, rule(0.3))[0] == "main-part" for each in requests)
    assert drawn / 300 == pytest.approx(0.3, abs=0.11)


# ------------------------------------------------------------------ with which chance


def chances(*rules: Rule, **changes: Any) -> dict[str, float]:
    """The chance that was kept, by where requests went."""
    routes = [went(asking(f"r-{n}", **changes), *rules) for n in range(200)]
    return {f"{ladder} {route.entry or ''}".strip(): route.propensity for ladder, route in routes}


def test_the_chance_is_kept_whichever_way_it_went() -> None:
    assert chances(rule(0.3)) == pytest.approx({"main-part": 0.3, "main": 0.7})
    rules = (rule(0.3), rule(0.5, "up", ladder=None, entry="top"), Rule("rest", entry="cheap"))
    wanted = {"main-part": 0.3, "main top": 0.35, "main cheap": 0.35}
    assert chances(*rules) == pytest.approx(wanted)


def test_two_ways_to_the_same_are_one_chance() -> None:
    both = chances(rule(0.3), rule(0.5, "too"))
    assert both == pytest.approx({"main-part": 0.65, "main": 0.35})
    assert chances(rule(0.3), rule(1.0, "all")) == {"main-part": 1.0}


@pytest.mark.parametrize(
    "asked",
    [
        {"directions": Directions(ladder="main")},
        {"model": "rung/main"},
        {"directions": Directions(ladders=("main",))},
        {"directions": Directions(ceiling="top")},
    ],
)
def test_who_may_not_go_there_is_not_drawn_and_follows_the_rules_after_it(
    asked: dict[str, Any],
) -> None:
    rules = (rule(0.3), Rule("rest", entry="top"))
    routes = [went(asking(f"r-{n}", **asked), *rules) for n in range(20)]
    assert {(ladder, each.rule, each.drawn) for ladder, each in routes} == {("main", "rest", ())}
    assert {each.propensity for _, each in routes} == {1.0}


def test_what_only_a_category_tells_apart_counts_too() -> None:
    code = Rule("code", Match(frozenset({Category.CODING})), ladder="main-part")
    said = Message(Role.USER, (Text("Write a Python function that merges two sorted lists."),))
    routes = [went(asking(f"r-{n}", said), rule(0.3), code) for n in range(20)]
    assert {(ladder, route.propensity) for ladder, route in routes} == {("main-part", 1.0)}


CONFIG = """
[tiers.cheap]
provider = "openai_compatible"
base_url = "https://there.example/v1"
model = "cheap"
price = "free"
context_tokens = 4096
[tiers.middle]
provider = "embedded"
[tiers.top]
provider = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
model = "top"
price = "free"
[ladders.default]
tiers = ["cheap", "middle", "top"]
[ladders.default-part]
tiers = ["cheap"]
"""
DRAWN = '[[rules]]\nname = "p"\non = ["default"]\nshare = {}\nladder = "default-part"\n'
SURELY = 0.999999


def planned(tmp_path: Path, share: float, request: Request, learned: Learned | None = None) -> Plan:
    text = CONFIG + DRAWN.format(share)
    parts = assemble(parse(text, tmp_path / "rung.toml", {}), ledger=False)
    planner: Planner = parts.intake._planner
    if learned is not None:
        planner = replace(planner, guides=replace(planner.guides, learned=learned))
    return planner.order(planner.entered(request)).plan


class Exploring(Learned):
    """Goes past the lowest tier, but for one of ten."""

    def of(self, *_: object) -> Taught:
        return Taught(Lead("middle", "it pays", 0.9), Lead(None, "drawn", 0.1))


def test_a_draw_of_the_entry_multiplies_with_that_of_the_rule(tmp_path: Path) -> None:
    made = planned(tmp_path, 0.000001, asking(), Exploring()).route
    assert made.rule_chance == pytest.approx(0.999999)
    assert made.propensity == pytest.approx(0.9 * 0.999999)
    assert (made.rule, made.other) == (None, "cheap")


# ------------------------------------------------------------------ nobody loses by it


@pytest.mark.parametrize(
    "changes",
    [
        {"directions": Directions(private=True)},
        {"directions": Directions(ceiling="top")},
        {"messages": (Message(Role.USER, (Text("word " * 9000),)),)},
    ],
    ids=["private", "a ceiling of the main ladder", "a long prompt"],
)
def test_what_the_drawn_ladder_cannot_serve_stays_on_its_own(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert planned(tmp_path, SURELY, asking()).ladder == "default-part"
    made = planned(tmp_path, SURELY, replace(asking(), **changes))
    assert (made.ladder, made.route.propensity) == ("default", 1.0)


def test_a_ceiling_that_is_on_neither_ladder_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no tier 'tpo'"):
        planned(tmp_path, SURELY, asking(directions=Directions(ceiling="tpo")))


# ------------------------------------------------------------------ what is said


YES = Route(rule="p", drawn=(Drawn("p", 0.3, chosen=True),), propensity=0.3, rule_chance=0.3)
NO = Route(drawn=(Drawn("p", 0.125, chosen=False),), propensity=0.875, rule_chance=0.875)


def test_draws_are_told_in_words_and_as_data() -> None:
    assert list(draws(YES)) == ["drawn: 30% of requests"]
    assert list(draws(NO)) == ["not drawn for rule p: 12.5% of requests are"]
    assert route_json(YES) == {
        "rule": "p",
        "drawn": "drawn: 30% of requests",
        "draws": [{"rule": "p", "share": 0.3, "chosen": True}],
        "propensity": 0.3,
    }
    assert route_json(Route())["drawn"] is None
    assert plan_json(replace(outcome().plan, route=NO))["route"] == route_json(NO)
    assert rule_shown(route_json(YES)) == "p, drawn: 30% of requests"
    assert rule_shown(route_json(Route(rule="x"))) == "x"


def test_before_anything_is_called_it_is_told_too(tmp_path: Path) -> None:
    with decider(configured(DRAWN.format("0.4"))) as decide:
        said = {decide.of(asking(f"r-{n}", words(n))).told()["drawn"] for n in range(20)}
    assert said == {"drawn: 40% of requests", "not drawn for rule p: 40% of requests are"}


def words(number: int) -> Message:
    return Message(Role.USER, (Text(f"Question {number}"),))


# ------------------------------------------------------------------ in the ledger


def routed(name: str, route: Route) -> Any:
    made = finished(name, [True])
    return replace(made, plan=replace(made.plan, route=replace(route, category="coding")))


def test_the_draws_are_kept_with_the_plan(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(routed("one", YES))
        ledger.append_now(routed("two", NO))
        kept = {each.request.id: each.plan.route for each in ledger.recent(2)}
    assert kept == {name: replace(r, category="coding") for name, r in (("one", YES), ("two", NO))}
    assert past_of(routed("one", YES)).propensity == 0.3


def test_estimates_of_a_ladder_reckon_with_the_draws_on_it_alone(tmp_path: Path) -> None:
    """That a request came to it says nothing of where it began there."""
    explored = replace(NO, propensity=0.875 * 0.1, other=ROUTED[1])
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for each in (routed("plain", NO), routed("explored", explored)):
            ledger.append_now(each)
        seen = ledger_outcomes(ledger, "default", ROUTED)
    plain, other = map(seen.outcomes.queries.index, ("plain", "explored"))
    assert (seen.entry_chance[plain], seen.other[plain]) == (1.0, -1)
    assert (seen.entry_chance[other], seen.other[other]) == (pytest.approx(0.1), 1)


# ------------------------------------------------------------------ rung.toml


def configured(rules: str) -> Config:
    return parse(CONFIG + rules, Path("rung.toml"), {})


@pytest.mark.parametrize(("typed", "share"), [("0.4", 0.4), ('"40%"', 0.4), ("1", 1.0), ("1.0", 1)])
def test_a_share_is_written_as_people_write_it(typed: str, share: float) -> None:
    (read,) = configured(DRAWN.format(typed)).file.rules
    assert (read.share, read.rule(1).match.share) == (share, share)


@pytest.mark.parametrize("typed", ["0", "-0.1", "1.1", '"0%"', '"half"', "nan", "inf"])
def test_what_is_no_share_is_told_with_its_place(typed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(DRAWN.format(typed))
    assert "rules.0.share" in str(caught.value)
    assert f"rung.toml:{CONFIG.count(chr(10)) + 4}:" in str(caught.value)


def test_a_rule_with_nothing_but_a_share_sets_nothing() -> None:
    with pytest.raises(ConfigError, match="sets nothing"):
        configured("[[rules]]\nshare = 0.5\n")


def test_two_shares_of_one_name_would_draw_the_same_requests() -> None:
    with pytest.raises(ConfigError) as caught:
        configured(DRAWN.format("0.4") + DRAWN.format("0.5"))
    assert "rules.1.name" in str(caught.value)
    assert "give it another" in str(caught.value)
    nameless = DRAWN.replace('name = "p"\n', "")
    assert len(configured(nameless.format("0.4") + nameless.format("0.5")).file.rules) == 2
