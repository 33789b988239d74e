"""Code that fakes its unit tests, judged as root (who drops to nobody) and as a plain user.

All fakes of a kind of user are judged in one process; each test looks at one verdict.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rung.sandbox import UnavailableError
from rung.sandbox.host import examine, reachable
from support.unit_test_fakes import FAKES, Fake

ROOT = Path(__file__).parents[2]
DRIVER = ROOT / "tests" / "support" / "unit_test_driver.py"
PLAIN_USER = 60_997
"""Of a range that nothing hands out, so that what is left over is known by its owner."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@cache
def verdicts(plain: bool) -> dict[tuple[str, str], dict[str, Any]]:
    """The verdicts by fake and mode; skips where this machine cannot."""
    try:
        examine(None, ())
    except UnavailableError as error:
        pytest.skip(str(error))
    root = os.geteuid() == 0
    if not root and not plain:
        pytest.skip("these tests are not run by root")
    python = "/usr/bin/python3" if root and plain else sys.executable
    user = PLAIN_USER if root and plain else None
    if user is not None and not _can(python):
        pytest.skip(f"a plain user cannot run {python} on {ROOT}")
    ran = subprocess.run(
        [python, str(DRIVER)],
        capture_output=True,
        check=False,
        timeout=250,
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
    assert ran.returncode == 0, ran.stderr.decode("utf-8", "replace")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    if "unavailable" in lines[0]:
        pytest.skip(lines[0]["unavailable"])
    return {("", ""): lines[-1], **{(line["name"], line["mode"]): line for line in lines[:-1]}}


def _can(python: str) -> bool:
    return all(
        reachable(place, PLAIN_USER) for place in (Path(python), ROOT / "src", DRIVER.parent)
    )


@pytest.fixture(params=[False, True], ids=["root", "plain-user"])
def found(request: pytest.FixtureRequest) -> dict[tuple[str, str], dict[str, Any]]:
    return verdicts(request.param)


@pytest.mark.parametrize("fake", FAKES, ids=lambda fake: fake.name.replace(" ", "-"))
def test_no_fake_passes_out_of_reach_of_its_tests_nor_chooses_to_be_beside_them(
    found: dict[tuple[str, str], dict[str, Any]], fake: Fake
) -> None:
    verdict = found[fake.name, "auto"]
    assert verdict["status"] == "failed", verdict
    assert verdict["trust"] == "split", verdict
    assert verdict["took"] < 20


@pytest.mark.parametrize("fake", FAKES, ids=lambda fake: fake.name.replace(" ", "-"))
def test_beside_the_code_just_the_known_fakes_pass_and_are_labelled(
    found: dict[tuple[str, str], dict[str, Any]], fake: Fake
) -> None:
    verdict = found[fake.name, "in_process"]
    assert (verdict["status"] == "passed") is fake.beside, verdict
    assert verdict["trust"] == "canary"


@pytest.mark.parametrize("mode", ["auto", "split", "in_process"])
def test_honest_code_passes_and_wrong_code_fails(
    found: dict[tuple[str, str], dict[str, Any]], mode: str
) -> None:
    assert found["honest", mode]["status"] == "passed", found["honest", mode]
    assert "6 tests passed" in found["honest", mode]["reason"]
    assert found["wrong", mode]["status"] == "failed", found["wrong", mode]
    assert "double(21) == 42`: got 21, expected 42" in found["wrong", mode]["reason"]


def test_nothing_is_left_over(found: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert found["", ""] == {"left": [], "folders": []}


def test_the_published_figures_are_these() -> None:
    page = (ROOT / "docs" / "verifiers.md").read_text("utf-8")
    (row,) = re.findall(r"\| (\d+) ways of faking a pass \| (\d+) \| (\d+) \|", page)
    beside = [fake.name for fake in FAKES if fake.beside]
    assert tuple(map(int, row)) == (len(FAKES), 0, len(beside))
    for name in beside:
        assert f"- {name}" in page
