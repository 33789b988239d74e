"""What a tier's table means for the requests that it is asked to answer."""

from pathlib import Path

import pytest

from rung.config import parse
from rung.core.features import Features
from rung.core.plan import Excluded, Terms, plan
from rung.core.types import Need
from rung.fittings import policy_of
from rung.inspection import problems

TEXT = """\
[tiers.embedded]
provider = "embedded"

[tiers.ollama]
provider = "ollama"
model = "m"

[tiers.groq]
provider = "groq"
model = "openai/gpt-oss-120b"

[tiers.own]
provider = "openai"
model = "gpt-6.1-sol"

[ladders.main]
tiers = ["embedded", "ollama", "groq", "own"]
"""
KEYS = {"GROQ_API_KEY": "k", "OPENAI_API_KEY": "k"}


LACKING = {
    Need.IMAGES: ["embedded"],
    Need.FILES: ["embedded", "ollama", "groq"],
    Need.AUDIO: ["embedded", "ollama"],
    Need.TOOLS: ["embedded"],
    Need.LOGPROBS: ["embedded", "ollama", "groq"],
    Need.MANY_CHOICES: ["embedded", "ollama", "groq"],
    Need.PREFILL: ["embedded", "ollama", "groq", "own"],
    Need.STATE: ["embedded", "ollama", "groq"],
    Need.EMBEDDINGS: ["embedded", "ollama"],
}


@pytest.mark.parametrize("need", Need)
def test_a_tier_that_cannot_carry_a_request_is_left_out_with_the_reason(need):
    config = parse(TEXT, Path("rung.toml"), KEYS, problems)
    policy = policy_of("main", config.file.ladders["main"], config)
    made = plan(Features(9, 9, frozenset({need}), messages=1, has_schema=False), policy, Terms())
    why = f"cannot carry {need.value}"
    assert made.excluded == tuple(Excluded(tier, why) for tier in LACKING[need])
    assert [step.tier for step in made.steps] == [
        name for name in config.file.tiers if name not in LACKING[need]
    ]
