"""A tier as judge, over real sockets: what it is asked, what follows from it, and who pays."""

import json
import time

import pytest

from support.gateway import Gateway, ask, chat, request, rung
from support.judges import right, wrong
from support.openai_server import OpenAIServer, slow, status, text

PRICE = "{ input_usd_per_mtok = 1.0, output_usd_per_mtok = 2.0 }"
ONE_CALL = 10 * 1_000 + 5 * 2_000
"""Nano-dollars of a scripted call by that price: 10 tokens in, 5 out."""


def config(*urls, options=""):
    tiers = "".join(
        f'[tiers.{name}]\nprovider = "openai_compatible"\nmodel = "model-{name}"\nretries = 0\n'
        f'base_url = "{url}"\nprice = {PRICE}\n'
        for name, url in zip(("low", "high", "judge"), urls, strict=True)
    )
    return (
        f'ledger = "ledger.db"\n{tiers}[ladders.default]\ntiers = ["low", "high"]\n'
        'verify = ["second_opinion"]\n[verifiers.second_opinion]\nkind = "judge"\n'
        f'tier = "judge"\n{options}\n[server]\nport = 0\n'
    )


@pytest.fixture
def servers():
    with (
        OpenAIServer(text("5. verdict: pass")) as low,
        OpenAIServer(text("4")) as high,
        OpenAIServer(text(wrong(95, "2 + 2 is 4")), text(right(95))) as judge,
    ):
        yield low, high, judge


def opinion(attempt):
    return next(v for v in attempt["verdicts"] if v["verifier"] == "second_opinion")


def explained(gateway, reply):
    told = rung(gateway.folder, "explain", reply.headers["x-rung-request-id"], "--json")
    return json.loads(told.stdout)


def test_a_judged_answer_climbs_and_the_judge_is_on_the_bill(tmp_path, servers):
    low, high, judge = servers
    urls = [server.base_url for server in servers]
    with Gateway(tmp_path, config(*urls)) as gateway:
        reply = ask(gateway.port, request(body=chat("2 + 2?")))
        assert reply.json["choices"][0]["message"]["content"] == "4"
        assert reply.headers["x-rung-verified"] == "none"
        told = explained(gateway, reply)
        people = rung(tmp_path, "explain").stdout
        bill = json.loads(rung(tmp_path, "bill", "--json").stdout)
    assert [len(server.calls) for server in (low, high, judge)] == [1, 1, 2]
    first, second = judge.calls[0].json, judge.calls[1].json
    assert first["model"] == "model-judge"
    assert first["response_format"]["type"] == "json_schema"
    assert "5. verdict: pass" in first["messages"][1]["content"]
    marks = {call["messages"][1]["content"].split()[1] for call in (first, second)}
    assert len(marks) == 2
    verdicts = [opinion(each) for each in told["attempts"]]
    assert [each["passed"] for each in verdicts] == [False, True]
    assert [each["cost_nanousd"] for each in verdicts] == [ONE_CALL, ONE_CALL]
    assert [each["trust"] for each in verdicts] == ["judge", "judge"]
    assert told["cost_nanousd"] == 4 * ONE_CALL
    assert reply.headers["x-rung-cost-usd"] == told["cost_usd"]
    assert "2 + 2 is 4 (judge is 95% sure, uncalibrated) (score 0.03), $0.00002" in people
    assert bill["total"]["spend_nanousd"] == 4 * ONE_CALL


@pytest.mark.parametrize("reply", [text("I say: pass"), text(""), status(500)])
def test_a_judge_without_a_judgement_has_no_say_and_is_billed_for_what_it_wrote(
    tmp_path, servers, reply
):
    low, high, _ = servers
    with (
        OpenAIServer(reply) as judge,
        Gateway(tmp_path, config(low.base_url, high.base_url, judge.base_url)) as gateway,
    ):
        served = ask(gateway.port, request(body=chat("2 + 2?")))
        told = explained(gateway, served)
    assert served.status == 200
    verdict = opinion(told["attempts"][0])
    assert (verdict["passed"], verdict["score"]) == (None, None)
    assert told["cost_nanousd"] == ONE_CALL + verdict["cost_nanousd"]
    assert not high.calls
    assert verdict["cost_nanousd"] == (0 if "no judgement" in verdict["reason"] else ONE_CALL)


def test_a_measured_judge_verifies(tmp_path, servers):
    urls = [server.base_url for server in servers]
    measured = "gate = true\nmeasured_false_accept = 0.03"
    with Gateway(tmp_path, config(*urls, options=measured)) as gateway:
        served = ask(gateway.port, request(body=chat("2 + 2?")))
    # Its first word was "wrong"; put right at the same tier, the answer was the same.
    assert served.headers["x-rung-verified"] == "true"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("gate = true", "measured_false_accept = 0.03"),
        ('rubrik = "x"', "rubric"),
    ],
)
def test_a_judge_that_is_none_is_told_at_the_start(tmp_path, options, said):
    (tmp_path / "rung.toml").write_text(config(*["http://127.0.0.1:9"] * 3, options=options))
    checked = rung(tmp_path, "config", "check")
    assert checked.returncode == 2
    assert said in checked.stdout + checked.stderr


def test_a_tier_that_is_not_there_is_told_with_the_nearest(tmp_path):
    made = config(*["http://127.0.0.1:9"] * 3).replace('tier = "judge"', 'tier = "juge"')
    (tmp_path / "rung.toml").write_text(made)
    checked = rung(tmp_path, "config", "check")
    assert checked.returncode == 2
    said = checked.stdout + checked.stderr
    assert "verifiers.second_opinion.tier: there is no tier 'juge'." in said
    assert "judge" in said


def test_no_judge_is_called_that_could_cost_more_than_the_cap_leaves(tmp_path, servers):
    urls = [server.base_url for server in servers]
    cap = ("x-rung-max-usd", "0.0001")
    with Gateway(tmp_path, config(*urls)) as gateway:
        served = ask(gateway.port, request(body=chat("2 + 2?", max_tokens=5), headers=[cap]))
        told = explained(gateway, served)
    verdict = opinion(told["attempts"][0])
    assert "judge could cost $0.00" in verdict["reason"]
    assert (verdict["passed"], verdict["cost_nanousd"]) == (None, 0)
    assert not servers[2].calls
    assert told["cost_nanousd"] == ONE_CALL


def test_a_judge_keeps_the_callers_deadline_and_is_billed_for_what_it_may_have_read(
    tmp_path, servers
):
    low, high, _ = servers
    deadline = ("x-rung-deadline-ms", "600")
    with (
        OpenAIServer(slow(20, text(right(95)))) as judge,
        Gateway(tmp_path, config(low.base_url, high.base_url, judge.base_url)) as gateway,
    ):
        began = time.monotonic()
        served = ask(gateway.port, request(body=chat("2 + 2?"), headers=[deadline]))
        took = time.monotonic() - began
        told = explained(gateway, served)
    assert took < 5
    verdict = opinion(told["attempts"][0])
    assert verdict["passed"] is None
    assert verdict["cost_nanousd"] > 100 * 1_000
    assert told["cost_nanousd"] == ONE_CALL + verdict["cost_nanousd"]
