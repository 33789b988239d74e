"""Hostile programs in the sandbox, run as root (who drops to nobody) and as a plain user.

All attacks of a kind of user run in one process, one after the other; each test judges one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rung.sandbox import UnavailableError
from rung.sandbox.host import examine, reachable
from support.sandbox_attacks import ATTACKS, Attack

ROOT = Path(__file__).parents[2]
DRIVER = ROOT / "tests" / "support" / "sandbox_driver.py"
MEMORY = 256 << 20
PLAIN_USER = 60_998
"""Of a range that nothing hands out, so that what is left over is known by its owner."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Way:
    """Who runs the attacks, and with how many warm slots."""

    name: str
    warm: int = 0
    plain: bool = False


WAYS = [Way("root"), Way("root-warm", warm=2), Way("plain-user", plain=True)]


@cache
def results(way: Way) -> dict[str, dict[str, Any]]:
    """What happened, by attack; skips where this machine cannot."""
    try:
        examine(None, ())
    except UnavailableError as error:
        pytest.skip(str(error))
    root = os.geteuid() == 0
    if not root and not way.plain:
        pytest.skip("these tests are not run by root")
    python = "/usr/bin/python3" if root and way.plain else sys.executable
    if root and way.plain and not _plain_user_can(python):
        pytest.skip(f"a plain user cannot run {python} on {ROOT}")
    user = PLAIN_USER if root and way.plain else None
    ran = subprocess.run(
        [python, str(DRIVER), str(way.warm)],
        capture_output=True,
        check=False,
        timeout=200,
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}",
        },
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, ran.stderr.decode("utf-8", "replace")
    if "unavailable" in lines[0]:
        pytest.skip(lines[0]["unavailable"])
    return {"": {**lines[0], **lines[-1]}, **{line["name"]: line for line in lines[1:-1]}}


def _plain_user_can(python: str) -> bool:
    if not all(
        reachable(place, PLAIN_USER) for place in (Path(python), ROOT / "src", DRIVER.parent)
    ):
        return False
    asked = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(asked, check=False).returncode == 0


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
def test_attack_reaches_nothing_and_leaves_nothing(way: Way, attack: Attack) -> None:
    ran = results(way)[attack.name]
    said = ran["stdout"] + ran["stderr"]
    assert "BREACH" not in ran["stdout"], said
    assert attack.says.decode("latin-1") in ran["stdout"], said
    assert ran["touched"] == []
    assert ran["left"] == []
    assert ran["ended_by"] in attack.ends, said
    if ran["ended_by"] == "exit":
        assert (ran["status"], ran["signal"]) == (
            (0, None) if not attack.signal else (None, attack.signal)
        )
    else:
        assert ran["status"] is None
    assert ran["sandboxed"] is True


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
def test_attack_stays_within_its_limits(way: Way, attack: Attack) -> None:
    ran = results(way)[attack.name]
    assert ran["output"] <= 200_000
    assert ran["took"] < 1.5 + 2.5
    # What many processes allocate at once is seen only at the next look.
    assert ran["peak"] < MEMORY * 2.5


def test_the_canary_held_and_nothing_is_left_after_closing(way: Way) -> None:
    ended = results(way)[""]
    assert ended["held"]
    assert ended["checks"] > 70
    assert ended["left"] == []
    assert ended["folders"] == []


def test_warm_slots_were_attacked_too() -> None:
    ran = results(WAYS[1])
    assert sum(line.get("warm", False) for line in ran.values()) > len(ATTACKS) / 4
