"""The notice of what waits: it says where to look, leaks no word, and is in nobody's way."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from rung.config import parse
from rung.core.engine import Exhausted, Exhaustion
from rung.core.errors import ConfigError
from rung.core.types import Answer
from rung.core.verdicts import Status, Verdict
from rung.inspection import problems
from rung.providers.http import HttpClient
from rung.webhook import MOST_AT_ONCE, Webhook, notice
from support.openai_server import OpenAIServer, raw, slow, whole
from support.outcomes import outcome

QUICK = (0.01, 0.01)
OK, BUSY, MOVED = (raw(whole(status, b"")) for status in (204, 503, 302))
WRONG = Verdict("json_schema", Status.FAILED, "found 'the secret answer'", at=1.0)


def waiting(name: str = "wait-1"):
    made = outcome(name)
    draft = replace(made.attempts[0], answer=Answer("the secret answer"), verdicts=(WRONG,))
    return replace(
        made,
        attempts=(draft,),
        decision=Exhausted(Exhaustion.TOP_REACHED, 0),
        served=None,
        verified=False,
        inbox=True,
    )


def test_a_notice_names_the_request_and_no_word_of_it() -> None:
    told = notice(waiting())
    assert msgspec.json.decode(told) == {
        "event": "inbox",
        "id": "wait-1",
        "ladder": "default",
        "project": None,
        "reason": "top_reached",
        "failed": ["json_schema"],
        "tried": ["tiny"],
        "show": "rung inbox show wait-1",
    }
    assert b"secret" not in told


@pytest.mark.parametrize(
    ("script", "calls"),
    [([OK], 1), ([BUSY, OK], 2), ([BUSY, MOVED, OK], 3), ([BUSY, BUSY, BUSY, OK], 3)],
)
async def test_it_is_told_until_it_listens_three_times_at_most(script, calls, caplog) -> None:
    http = HttpClient()
    with OpenAIServer(*script) as server:
        hook = Webhook(http, f"{server.base_url}/hook", pauses_seconds=QUICK)
        hook.tell(waiting())
        await hook.close()
        assert [call.path for call in server.calls] == ["/v1/hook"] * calls
    await http.close()
    assert ("nobody is told of wait-1: it answered 503" in caplog.text) == (len(script) == 4)


async def test_where_nobody_listens_is_only_logged(caplog) -> None:
    http = HttpClient()
    hook = Webhook(http, "http://127.0.0.1:9/token-in-the-path", pauses_seconds=QUICK)
    hook.tell(waiting())
    await hook.close()
    await http.close()
    assert "nobody is told of wait-1: nothing listens at http://127.0.0.1:9" in caplog.text
    assert "token-in-the-path" not in caplog.text


async def test_one_that_hangs_collects_no_calls_without_end(caplog, monkeypatch) -> None:
    monkeypatch.setattr("rung.webhook.CALL_SECONDS", 0.05)
    http = HttpClient()
    with OpenAIServer(slow(30.0, OK)) as server:
        hook = Webhook(http, f"{server.base_url}/hook", pauses_seconds=QUICK)
        for number in range(MOST_AT_ONCE + 1):
            hook.tell(waiting(f"wait-{number}"))
        await hook.close()
    await http.close()
    assert f"wait-{MOST_AT_ONCE} is not told" in caplog.text
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("http://127.0.0.1:9000/rung", True),
        ("http://localhost/rung", True),
        ("http://192.168.1.7/rung", True),
        ("https://example.com/rung", True),
        ("http://example.com/rung", False),
        ("http://8.8.8.8/rung", False),
        ("ftp://127.0.0.1/rung", False),
        ("127.0.0.1:9000", False),
        ("", False),
    ],
)
def test_only_https_leaves_the_network(tmp_path, url: str, fine: bool) -> None:
    text = (
        f'inbox_webhook = "{url}"\n[tiers.a]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["a"]\n'
    )
    if fine:
        assert parse(text, tmp_path / "rung.toml", {}, problems).file.inbox_webhook == url
        return
    with pytest.raises(ConfigError, match="inbox_webhook"):
        parse(text, tmp_path / "rung.toml", {}, problems)


def test_waiting_for_nobody_is_a_fault(tmp_path) -> None:
    text = (
        '[tiers.a]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["a"]\non_exhausted = "best"\nwait_seconds = 5\n'
    )
    with pytest.raises(ConfigError, match=r"wait_seconds.*does nothing"):
        parse(text, tmp_path / "rung.toml", {}, problems)
