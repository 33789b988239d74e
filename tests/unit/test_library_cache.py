"""Projects and answers served again through the library, where its configuration has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rung import Cascade, checks
from rung.core.errors import RequestError
from rung.core.types import UsageSource
from support.gateway import Upstream
from support.openai_server import text

CONFIG = """
ledger = "ledger.db"

[tiers.local]
provider = "openai_compatible"
base_url = "{base_url}"
model = "m"
price = "free"

[ladders.default]
tiers = ["local"]
verify = ["team"]

[verifiers.team]
kind = "label_set"
labels = ["billing", "sales"]

[projects.docs]
ceiling = "local"
tier = "local"

[cache]
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Cascade, Upstream]]:
    with Upstream() as upstream:
        upstream.say(text("billing"))
        config = tmp_path / "rung.toml"
        config.write_text(CONFIG.replace("{base_url}", upstream.base_url))
        with Cascade.from_config(config, environment={}) as cascade:
            yield cascade, upstream


def test_the_same_prompt_is_asked_once(stage):
    cascade, upstream = stage
    first, again = cascade.run("Which team?"), cascade.run("Which team?")
    assert len(upstream.requests) == 1
    assert (again.text, again.tier, again.verified) == (first.text, "local", True)
    assert (again.cost_usd, again.outcome.cached_of) == (0, first.outcome.request.id)
    assert again.attempts[0].usage.source is UsageSource.NONE


async def test_with_and_without_waiting_is_the_same(stage):
    cascade, upstream = stage
    first = await cascade.run_async("Which team?")
    again = await cascade.run_async("Which team?")
    assert again.outcome.cached_of == first.outcome.request.id
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"system": "Be brief."},
        {"max_tokens": 5},
        {"temperature": 0},
        {"project": "shop"},
        {"project": "docs"},
        {"tier": "local"},
        {"private": True},
        {"fresh": True},
        {"verify": checks.labels("billing")},
        {"schema": True},
    ],
    ids=str,
)
def test_what_is_asked_otherwise_is_asked_again(stage, other):
    cascade, upstream = stage
    cascade.run("Which team?")
    upstream.say(text('"billing"' if "schema" in other else "billing"))
    cascade.run("Which team?", **other)
    assert len(upstream.requests) == 1


def test_a_project_holds_here_too(stage):
    cascade, upstream = stage
    with pytest.raises(RequestError) as caught:
        cascade.run("Which team?", project="docs", ladder="default", tier="other")
    assert caught.value.status == 403
    assert upstream.requests == []
