"""Projects: what holds for their requests, and where their keys come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rung.config import Config, parse
from rung.core.errors import ConfigError, RequestError
from rung.core.plan import Policy, Rung
from rung.core.types import Directions, Lane, Request
from rung.fittings import secrets_of
from rung.guides import Projects
from rung.inspection import problems
from rung.orders import Tier
from rung.projects import KnownProjects, Project, keys_of, projects_of
from rung.ways import Ways

TIERS = ("local", "cheap", "strong", "other")
POLICIES = {
    "default": Policy("default", tuple(map(Rung, TIERS[:3]))),
    "side": Policy("side", (Rung("other"), Rung("cheap"))),
}


def ways() -> Ways:
    tiers = {name: Tier(name, name, local=False, provider=None, pricer=None) for name in TIERS}  # type: ignore[arg-type]
    return Ways(tiers, POLICIES, "default")


def applied(project: Project, model: str = "", **asked) -> Directions:
    """The directions of a request of this project."""
    directions = Directions(project=project.name, **asked)
    request = Request("r-1", "chat", (), model=model, directions=directions)
    return KnownProjects(ways(), {project.name: project}).applied(request).directions


# ------------------------------------------------------------------ what holds


def test_what_is_of_no_configured_project_is_left_as_it_is():
    known = KnownProjects(ways(), {"docs": Project("docs", tier="local")})
    for asked in (Directions(), Directions(project="shop", tier="strong")):
        request = Request("r-1", "chat", (), directions=asked)
        assert known.applied(request) is request


def test_the_tighter_limit_holds():
    docs = Project("docs", max_cost_nanousd=10, deadline_seconds=5.0)
    assert applied(docs) == Directions(project="docs", max_cost_nanousd=10, deadline_seconds=5.0)
    tight = applied(docs, max_cost_nanousd=3, deadline_seconds=9.0)
    assert (tight.max_cost_nanousd, tight.deadline_seconds) == (3, 5.0)
    loose = applied(docs, max_cost_nanousd=30, deadline_seconds=1.0)
    assert (loose.max_cost_nanousd, loose.deadline_seconds) == (10, 1.0)


def test_a_cap_of_nothing_is_a_cap():
    assert applied(Project("docs", max_cost_nanousd=0), max_cost_nanousd=5).max_cost_nanousd == 0


@pytest.mark.parametrize("asked", Lane)
@pytest.mark.parametrize("ours", Lane)
def test_the_more_patient_lane_holds(ours, asked):
    patience = list(Lane)
    lane = applied(Project("docs", lane=ours), lane=asked).lane
    assert patience.index(lane) == max(patience.index(ours), patience.index(asked))


def test_privacy_adds_up():
    assert applied(Project("docs", private=True)).private
    assert applied(Project("docs"), private=True).private
    assert not applied(Project("docs")).private


def test_a_ladder_and_a_pin_of_a_project_hold_where_nothing_else_is_named():
    assert applied(Project("docs", ladder="side")).ladder == "side"
    assert applied(Project("docs", tier="cheap"), model="gpt-6-luna").tier == "cheap"
    same = applied(Project("docs", tier="cheap", ladder="side"), model="tier:cheap", ladder="side")
    assert (same.tier, same.ladder) == ("cheap", "side")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"tier": "strong"}, "x-rung-tier"),
        ({"model": "tier:strong"}, "model"),
        ({"tier": ""}, "x-rung-tier"),
        ({"ladder": "side"}, "x-rung-ladder"),
        ({"model": "rung/side"}, "model"),
    ],
)
def test_what_a_project_sets_cannot_be_escaped(asked, param):
    with pytest.raises(RequestError) as caught:
        applied(Project("docs", ladder="default", tier="local"), **asked)
    assert (caught.value.status, caught.value.param) == (403, param)
    assert caught.value.fix


def test_a_header_that_agrees_stands_over_a_model_that_does_not():
    docs = Project("docs", tier="local")
    assert applied(docs, model="tier:strong", tier="local").tier == "local"


@pytest.mark.parametrize(
    ("ours", "own", "held"),
    [
        ("cheap", None, "cheap"),
        ("cheap", "local", "local"),
        ("cheap", "cheap", "cheap"),
        ("cheap", "strong", "cheap"),
        # Where one does not stand on the ladder, planning has to say so.
        ("cheap", "other", "other"),
        ("other", "local", "other"),
        ("cheap", "nothing", "nothing"),
    ],
)
def test_the_lower_ceiling_holds(ours, own, held):
    assert applied(Project("docs", ceiling=ours), ceiling=own).ceiling == held


def test_which_ceiling_is_lower_depends_on_the_ladder():
    docs = Project("docs", ceiling="cheap")
    assert applied(docs, ceiling="other", ladder="side").ceiling == "other"
    assert applied(docs, ceiling="other", model="rung/side").ceiling == "other"
    assert applied(replace(docs, ladder="side"), ceiling="other").ceiling == "other"


# ------------------------------------------------------------------ the configuration

TOML = """
[tiers.local]
provider = "embedded"
[tiers.able]
provider = "embedded"
samples = 3
[tiers.aside]
provider = "embedded"
[ladders.default]
tiers = ["local", "able"]
[ladders.side]
tiers = ["able", "local"]
"""


def loaded(more: str, **env: str) -> Config:
    return parse(TOML + more, Path("rung.toml"), env, problems)


def faults(more: str, **env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(more, **env)
    return [each.message for each in caught.value.problems]


def test_a_whole_table_is_read():
    config = loaded(
        """
        [projects.docs]
        ladder = "default"
        tier = "local"
        ceiling = "able"
        max_usd = 0.05
        deadline_seconds = 30
        lane = "background"
        private = true
        key_env = ["ONE", "TWO"]
        [projects.bare]
        """,
        ONE="key-one",
        TWO="key-two",
    )
    known = projects_of(config, ways())
    assert isinstance(known, KnownProjects)
    assert known.known["docs"] == Project(
        "docs", "default", "local", "able", 50_000_000, 30.0, Lane.BACKGROUND, private=True
    )
    assert known.known["bare"] == Project("bare")
    assert keys_of(config) == {"docs": ("key-one", "key-two")}
    assert secrets_of(config) == ("key-one", "key-two")


def test_without_projects_nothing_is_looked_at():
    assert type(projects_of(loaded(""), ways())) is Projects


@pytest.mark.parametrize(
    ("keys", "place", "said"),
    [
        ('ladder = "defualt"', "ladder", "there is no ladder 'defualt'."),
        ('tier = "lokal"', "tier", "there is no tier 'lokal'."),
        ('ceiling = "abel"', "ceiling", "there is no tier 'abel'."),
        ('ceiling = "aside"', "ceiling", "'aside' does not stand on any ladder."),
        ('ladder = "side"\ntier = "aside"', "tier", "'aside' does not stand on ladder 'side'."),
        (
            'ladder = "default"\ntier = "able"\nceiling = "local"',
            "tier",
            "'able' is above the project's ceiling, 'local'.",
        ),
        ('key_env = ["NOT_SET"]', "key_env", "the environment variable NOT_SET is not set."),
        ('key_env = ["EMPTY"]', "key_env", "the environment variable EMPTY is not set."),
        (
            'key_env = ["SPACED"]',
            "key_env",
            "the key in SPACED holds a space, a line end or another sign no key has.",
        ),
    ],
)
def test_a_faulty_project_is_named_with_its_fix(keys, place, said):
    with pytest.raises(ConfigError) as caught:
        loaded(f"[projects.docs]\n{keys}\n", EMPTY="", SPACED="a key")
    (found,) = caught.value.problems
    assert found.place.endswith(f"projects.docs.{place}")
    assert found.message == said
    assert found.fix


def test_one_key_is_of_one_project():
    two = '[projects.one]\nkey_env = ["A"]\n[projects.two]\nkey_env = ["{}"]\n'
    taken, same = "A is a key of project 'one' already.", "B holds the same key as A."
    assert faults(two.format("A"), A="secret-1") == [taken]
    assert faults(two.format("B"), A="secret-1", B="secret-1") == [same]
    assert loaded(two.format("B"), A="secret-1", B="secret-2")
    assert loaded('[projects.one]\nkey_env = ["A", "A"]\n', A="secret-1")


@pytest.mark.parametrize(
    "keys", ['key_env = "A"', "max_usd = -1", 'lane = "slow"', 'private = "yes"', "ladders = 1"]
)
def test_values_that_make_no_sense_are_faults(keys):
    assert len(faults(f"[projects.docs]\n{keys}\n", A="secret-1")) == 1
