"""Rules: which requests they match, what they set, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rung.config import Config, parse
from rung.core.errors import ConfigError
from rung.core.features import features
from rung.core.parts import Image, Message, Role, Text
from rung.core.plan import Policy, Rung, StreamMode, Terms, plan
from rung.core.rules import Match, Rule
from rung.core.tasks import Category, Difficulty
from rung.core.types import Directions, Lane, Need, Request, SchemaRequest
from rung.deciding import decider
from rung.routing import Router

TIERS = ("local", "cheap", "workhorse", "premium")
POLICY = Policy("default", tuple(Rung(tier) for tier in TIERS))
CODE = "Write a Python function that merges two sorted lists."


def asking(text: str = CODE, **changes) -> Request:
    return Request("r-1", "chat", (Message(Role.USER, (Text(text),)),), **changes)


def entered(router: Router, request: Request, policy: Policy = POLICY) -> list[str]:
    """The tiers of the plan."""
    seen = features(request)
    routed = router.of(request, seen, policy)
    made = plan(seen, routed.policy, Terms(route=routed.route, pinned=request.directions.tier))
    return [step.tier for step in made.steps]


def only(match: Match, request: Request) -> bool:
    """Whether a rule with this match applies."""
    return entered(Router((Rule("one", match, entry="premium"),)), request) == ["premium"]


@pytest.mark.parametrize(
    ("match", "yes", "no"),
    [
        (Match(frozenset({Category.CODING})), asking(), asking("Hello there!")),
        (Match(difficulties=frozenset({Difficulty.SIMPLE})), asking("Hi!"), asking(CODE * 40)),
        (
            Match(lanes=frozenset({Lane.BACKGROUND})),
            asking(directions=Directions(lane=Lane.BACKGROUND)),
            asking(),
        ),
        (
            Match(projects=frozenset({"docs"})),
            asking(directions=Directions(project="docs")),
            asking(),
        ),
        (Match(ladders=frozenset({"default"})), asking(), None),
        (Match(schema=True), asking(schema=SchemaRequest({})), asking()),
        (Match(schema=False), asking(), asking(schema=SchemaRequest({}))),
        (Match(tools=True), asking(needs=frozenset({Need.TOOLS})), asking()),
        (
            Match(images=True),
            Request(
                "r-1",
                "chat",
                (Message(Role.USER, (Text("what is it"), Image("image/png", b"x"))),),
                needs=frozenset({Need.IMAGES}),
            ),
            asking(),
        ),
        (Match(agent=True), asking(directions=Directions(agent="a-1")), asking()),
        (Match(agent=False), asking(), asking(directions=Directions(agent="a-1"))),
        (Match(least_tokens=100), asking("word " * 400), asking("word")),
        (Match(most_tokens=100), asking("word"), asking("word " * 400)),
        (Match(least_certainty=0.3), asking(), asking(" ")),
        (Match(), asking(), None),
    ],
)
def test_a_rule_matches_what_it_asks_for(match: Match, yes: Request, no: Request | None):
    assert only(match, yes)
    assert no is None or not only(match, no)


def test_the_first_rule_that_matches_decides():
    first = Rule("code", Match(frozenset({Category.CODING})), entry="workhorse")
    router = Router((first, Rule("rest", entry="cheap")))
    assert entered(router, asking())[0] == "workhorse"
    assert entered(router, asking("Hello there!"))[0] == "cheap"


def test_nothing_below_the_entry_and_above_the_ceiling_is_called():
    router = Router((Rule("middle", entry="cheap", ceiling="workhorse"),))
    assert entered(router, asking()) == ["cheap", "workhorse"]


def test_a_pin_stands_over_every_rule():
    router = Router((Rule("all", entry="premium"),))
    assert entered(router, asking(directions=Directions(tier="local"))) == ["local"]


def test_a_ladder_that_the_caller_named_stands_over_a_rules():
    other = Policy("other", (Rung("local"),))
    router = Router((Rule("all", ladder="other"),), {"other": other, "default": POLICY})
    assert entered(router, asking()) == ["local"]
    named = asking(directions=Directions(ladder="default"))
    assert entered(router, named) == list(TIERS)


def test_where_the_entry_cannot_serve_the_tiers_below_it_may():
    blind = frozenset({Need.IMAGES})
    policy = Policy("default", (Rung("local"), Rung("premium", lacks=blind)))
    router = Router((Rule("all", entry="premium"),))
    assert entered(router, asking(needs=blind), policy) == ["local"]


def test_a_rules_stream_mode_is_the_plans():
    request = asking(stream=True)
    router = Router((Rule("all", stream=StreamMode.PASS),))
    assert router.of(request, features(request), POLICY).policy.stream_mode is StreamMode.PASS


def test_the_task_is_recognised_only_where_a_rule_asks():
    request = asking()
    plain = Router((Rule("all", entry="cheap"),)).of(request, features(request), POLICY)
    assert plain.route.category == ""
    code = Rule("code", Match(frozenset({Category.CODING})), entry="cheap")
    read = Router((code,)).of(request, features(request), POLICY)
    assert read.route.category == "coding"


# ------------------------------------------------------------------ rung.toml

FILE = "".join(f'[tiers.{t}]\nprovider = "embedded"\n' for t in TIERS)
FILE += '[ladders.default]\ntiers = ["local", "cheap", "workhorse", "premium"]\n'
FILE += '[ladders.short]\ntiers = ["local"]\n'


def configured(rules: str) -> Config:
    return parse(FILE + rules, Path("rung.toml"), {})


def test_a_file_of_rules_decides_without_any_key():
    config = configured(
        '[[rules]]\ncategory = ["coding"]\nentry = "workhorse"\n[[rules]]\nentry = "cheap"\n'
    )
    with decider(config) as decide:
        told, other = decide.of(asking()).told(), decide.of(asking("Hello there!"))
    assert (told["entry"], told["rule"], told["category"]) == ("workhorse", "rule 1", "coding")
    assert [each["tier"] for each in told["excluded"]] == ["local", "cheap"]
    assert told["lane"] == "interactive"
    assert other.entry == "cheap"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('entry = "chaep"', "no tier 'chaep'"),
        ('ceiling = "nope"', "no tier 'nope'"),
        ('ladder = "shrt"', "no ladder 'shrt'"),
        ('on = ["defalt"]\nentry = "cheap"', "no ladder 'defalt'"),
        ('verify = ["tests"]', "no verifier 'tests'"),
        ('category = ["coding"]', "sets nothing"),
        ('category = ["cooking"]\nentry = "cheap"', "cooking"),
        ('entry = "premium"\nceiling = "cheap"', "below the entry"),
        ('ladder = "short"\nentry = "cheap"', "stands on no ladder"),
        ('entry = "cheap"\nfrom = "x"', "no such key"),
        ('entry = "cheap"\nmin_tokens = -1', "min_tokens"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_line(rule: str, said: str):
    good = '[[rules]]\nentry = "cheap"\n'
    with pytest.raises(ConfigError) as caught:
        configured(f"{good}[[rules]]\n{rule}\n")
    assert said in str(caught.value)
    line = FILE.count("\n") + 4
    assert any(f"rung.toml:{line + n}:" in str(caught.value) for n in range(-1, 3))
