"""A running gateway's metrics, traces and logs, as a scraper, a collector and a reader see them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rung.core.traces import span_id
from rung.telemetry import catalogue
from support.collector import Collector
from support.gateway import Gateway, Reply, Upstream, ask, chat, request, rung, toml
from support.openai_server import status, text

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SERVER, CLIENT, INTERNAL = 2, 3, 1
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"type": "object", "required": ["a"]}},
}
PRICED = "price = { input_usd_per_mtok = 1, output_usd_per_mtok = 10 }"


def config(*bases: str, more: str = "", telemetry: str = "") -> str:
    whole = toml(*bases, more=f"{more}\n[telemetry]\n{telemetry}", ladder="stream = 'hold'")
    return whole.replace('price = "free"', PRICED)


def post(gateway: Gateway, prompt: str = "Hi there!", **more: object) -> Reply:
    headers = more.pop("headers", {})
    assert isinstance(headers, dict)
    body = chat(prompt, **more)
    return ask(gateway.port, request(body=body, headers=list(headers.items())))


def scrape(gateway: Gateway) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    reply = ask(gateway.port, request("GET", "/metrics"))
    assert reply.status == 200
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def total(found: dict[str, dict[tuple[tuple[str, str], ...], float]], name: str, **labels) -> float:
    wanted = set(labels.items())
    return sum(value for have, value in found.get(name, {}).items() if wanted <= {*have})


@pytest.fixture(scope="module")
def tiers() -> Iterator[tuple[Upstream, Upstream]]:
    with Upstream() as a, Upstream() as b:
        yield a, b


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tiers, collector, tmp_path_factory) -> Iterator[Gateway]:
    written = config(
        *(tier.base_url for tier in tiers),
        telemetry=f'logs = "json"\notlp_endpoint = "{collector.url}"\nservice_name = "desk"',
    )
    with ExitStack() as opened:
        folder = tmp_path_factory.mktemp("telemetry")
        env = {"OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=acme"}
        yield opened.enter_context(Gateway(folder, written, env=env))


# ------------------------------------------------------------------ metrics


def test_metrics_agree_with_the_bill(gateway, tiers):
    a, b = tiers
    a.say(text("no json"))
    b.say(text('{"a": 1}'))
    before = scrape(gateway)
    assert post(gateway, response_format=SCHEMA).status == 200
    a.say(text("hello"))
    assert post(gateway, headers={"x-rung-project": "shop"}).status == 200
    a.say(status(500))
    b.say(status(429))
    assert post(gateway).status in {429, 502}
    assert ask(gateway.port, request(body=b"{")).status == 400
    assert ask(gateway.port, request("GET", f"/{'x' * 50}")).status == 404
    after = scrape(gateway)

    def grew(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert grew("rung_requests_total") == 3
    assert grew("rung_requests_total", result="answered", verified="true") == 1
    assert grew("rung_requests_total", result="failed") == 1
    assert grew("rung_escalated_total", ladder="default") == 1
    assert grew("rung_attempts_total", tier="a", result="server_error") == 1
    assert grew("rung_attempts_total", tier="b", result="rate_limited") == 1
    assert grew("rung_checks_total", status="failed", verifier="json_schema") == 1
    assert grew("rung_http_responses_total", route="/v1/chat/completions", status="200") == 2
    assert grew("rung_http_responses_total", route="/v1/chat/completions", status="400") == 1
    assert grew("rung_http_responses_total", route="other", status="404") == 1
    assert total(after, "rung_in_flight_requests") == 0
    assert total(after, "rung_ledger_up") == 1
    told = json.loads(
        rung(gateway.folder, "bill", "--json", "--config", str(gateway.config)).stdout
    )
    spend = total(after, "rung_cost_usd_total")
    assert spend == pytest.approx(float(told["total"]["spend_usd"]), rel=1e-9)
    assert total(after, "rung_request_cost_usd_total", project="shop") == pytest.approx(60e-6)


def test_a_scrape_shows_every_metric_of_the_catalogue_under_its_kind(gateway):
    reply = ask(gateway.port, request("GET", "/metrics"))
    assert reply.headers["content-type"].startswith("text/plain")
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", reply.body.decode(), re.MULTILINE))
    assert {kinds[each.name] for each in catalogue.COUNTERS} == {"counter"}
    assert {kinds[each.name] for each in catalogue.GAUGES} == {"gauge"}
    assert {kinds[each.name] for each, _ in catalogue.HISTOGRAMS} == {"histogram"}
    assert "process_resident_memory_bytes" in kinds
    wanted = [("accept", "application/openmetrics-text;version=1.0.0")]
    reply = ask(gateway.port, request("GET", "/metrics", headers=wanted))
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.body.endswith(b"# EOF\n")


def test_names_that_callers_make_up_are_labels_of_nothing(gateway, tiers):
    tiers[0].say(text("hello"))
    for number in range(3):
        asked = request(body=json.dumps({"model": f"made-up-{number}"} | MESSAGES).encode())
        assert ask(gateway.port, asked).status == 200
        ask(gateway.port, request("GET", f"/made-up-{number}"))
    assert b"made-up" not in ask(gateway.port, request("GET", "/metrics")).body


MESSAGES = {"messages": [{"role": "user", "content": "Hi"}]}


# ------------------------------------------------------------------ traces


def test_a_request_is_one_trace_from_the_client_to_the_tiers(gateway, tiers, collector):
    a, b = tiers
    a.say(text("no json"))
    b.say(text('{"a": 1}'))
    reply = post(gateway, response_format=SCHEMA, headers={"traceparent": PARENT})
    spans = collector.trace(reply.headers["x-rung-request-id"])
    assert {span.trace_id for span in spans} == {PARENT[3:35]}
    [asked] = [span for span in spans if span.kind == SERVER]
    assert (asked.name, asked.parent_id) == ("chat rung/default", PARENT[36:52])
    assert asked.id == span_id(reply.headers["x-rung-request-id"])
    assert asked.resource["service.name"] == "desk"
    assert asked.attributes["rung.verified"] == "true"
    assert asked.attributes["gen_ai.output.type"] == "json"
    calls = [span for span in spans if span.kind == CLIENT]
    assert [call.name for call in calls] == ["chat model-a", "chat model-b"]
    assert {call.parent_id for call in calls} == {asked.id}
    assert [call.attributes["rung.attempt.served"] for call in calls] == [False, True]
    assert calls[1].attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert calls[1].attributes["gen_ai.usage.input_tokens"] == 10
    assert calls[1].attributes["gen_ai.usage.cache_read.input_tokens"] == 4
    for call, tier in zip(calls, tiers, strict=True):
        sent = tier.requests[-1].headers["traceparent"]
        assert sent == f"00-{PARENT[3:35]}-{call.id}-01"
    checks = {span.name: span for span in spans if span.kind == INTERNAL}
    assert {span.parent_id for span in checks.values()} <= {call.id for call in calls}
    assert "check json_schema" in checks
    outcome = gateway.outcome(reply.headers["x-rung-request-id"])
    assert asked.attributes["rung.cost_nanousd"] == outcome.cost_nanousd
    assert collector.requests[0].headers["x-tenant"] == "acme"


def test_a_trace_begins_where_the_client_has_none_or_nonsense(gateway, tiers, collector):
    tiers[0].say(text("hello"))
    for headers in ({}, {"traceparent": "nonsense"}, {"tracestate": "a=secret"}):
        post(gateway, headers=headers)
        sent = tiers[0].requests[-1].headers
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", sent["traceparent"])
        assert "tracestate" not in sent


def test_a_client_that_keeps_no_trace_has_none_kept(gateway, tiers, collector):
    tiers[0].say(text("hello"))
    kept_by_nobody = PARENT.replace("0af7", "0bf7")[:-2] + "00"
    post(gateway, headers={"traceparent": kept_by_nobody})
    assert tiers[0].requests[-1].headers["traceparent"].endswith("-00")
    collector.trace(post(gateway).headers["x-rung-request-id"])
    assert kept_by_nobody[3:35] not in {span.trace_id for span in collector.spans}


def test_a_collector_that_is_away_or_refuses_holds_nothing_up(tiers, tmp_path):
    tiers[0].say(text("hello"))
    with Collector(503, b"the header was: acme-secret-token") as refusing:
        url = refusing.url
        written = config(tiers[0].base_url, telemetry=f'otlp_endpoint = "{url}"')
        env = {"OTEL_EXPORTER_OTLP_HEADERS": "x-key=acme-secret-token"}
        with Gateway(tmp_path, written, env=env) as gateway:
            assert post(gateway).status == 200
            began = time.monotonic()
            gateway.process.child.terminate()
            assert gateway.process.wait() == 0
            assert time.monotonic() - began < 8
            assert "acme-secret-token" not in gateway.said
            assert "the collector does not take traces" in gateway.said


def test_without_a_collector_no_trace_is_read_or_sent(tiers, tmp_path):
    tiers[0].say(text("hello"))
    with Gateway(tmp_path, config(tiers[0].base_url)) as gateway:
        assert post(gateway, headers={"traceparent": PARENT}).status == 200
        assert "traceparent" not in tiers[0].requests[-1].headers


# ------------------------------------------------------------------ logs


def test_each_request_and_response_is_a_line_of_json(gateway, tiers):
    tiers[0].say(text("hello"))
    reply = post(gateway)
    refused = ask(gateway.port, request(body=b"[]"))
    wanted = reply.headers["x-rung-request-id"]
    gateway.process.until(re.compile(f'{wanted}.*"status":200'))
    gateway.process.until(re.compile(f'{refused.headers["x-rung-request-id"]}.*"status":400'))
    lines = [json.loads(line) for line in gateway.process.err.splitlines()]
    assert lines[0]["event"] == "listening"
    [asked, answered] = [line for line in lines if line.get("request_id") == wanted]
    assert (asked["event"], asked["result"], asked["tier"]) == ("request", "answered", "a")
    assert (answered["event"], answered["status"]) == ("response", 200)
    assert answered["route"] == "/v1/chat/completions"
    assert gateway.process.out == ""


def test_people_are_told_what_they_were_told_before(tiers, tmp_path):
    tiers[0].say(text("hello"))
    with Gateway(tmp_path, config(tiers[0].base_url)) as gateway:
        assert post(gateway).status == 200
    assert "rung listens at" in gateway.said
    assert "request ended" not in gateway.said


# ------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('otlp_endpoint = "collector:4318"', "should be an address"),
        ('logs = "xml"', "'text' or 'json'"),
        ("sample = 2", "less than or equal to 1"),
        ("sampel = 1", "there is no such key"),
    ],
)
def test_a_telemetry_table_that_makes_no_sense_is_told(tmp_path: Path, line: str, fault: str):
    written = tmp_path / "rung.toml"
    written.write_text(toml("http://127.0.0.1:9/v1", more=f"[telemetry]\n{line}"))
    told = rung(tmp_path, "config", "check", "--config", str(written))
    assert told.returncode == 2
    assert fault in told.stderr
    assert "telemetry" in told.stderr


@pytest.mark.parametrize(
    ("said", "status_without_a_key"), [("off", 404), ("keys", 401), ("open", 200), ("auto", 200)]
)
def test_who_may_read_the_metrics_is_for_the_configuration_to_say(
    tmp_path: Path, said: str, status_without_a_key: int
):
    written = toml("http://127.0.0.1:9/v1").replace("[server]", f'[server]\nmetrics = "{said}"')
    with Gateway(tmp_path, written) as gateway:
        reply = ask(gateway.port, request("GET", "/metrics"))
        assert reply.status == status_without_a_key
        assert (b"rung_build_info" in reply.body) is (reply.status == 200)


def test_budgets_are_told_of_with_what_is_spent(tiers, tmp_path: Path):
    tiers[0].say(text("hello"))
    more = '[[budgets]]\nname = "month"\nusd = 5'
    with Gateway(tmp_path, config(tiers[0].base_url, more=more)) as gateway:
        post(gateway)
        found = scrape(gateway)
        assert total(found, "rung_budget_cap_usd", budget="month") == 5
        assert "rung_budget_spent_usd" in found


def test_a_tier_that_is_left_alone_is_told_of(tmp_path: Path):
    with Upstream() as failing:
        failing.say(status(500))
        written = toml(failing.base_url, breakers="failures = 1\nopen_seconds = 60")
        with Gateway(tmp_path, written) as gateway:
            assert total(scrape(gateway), "rung_breaker_open", tier="a") == 0
            post(gateway)
            assert total(scrape(gateway), "rung_breaker_open", tier="a") == 1
            assert total(scrape(gateway), "rung_requests_total", result="failed") == 1


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=abc;escaping=xyz",
        "application/openmetrics-text;version=99.0.0",
        "text/plain;version=-1;q=x",
        "*/*,,;;=",
        "x" * 5_000,
    ],
)
def test_any_scraper_gets_a_text_it_may_read(gateway, accept: str):
    asked = request("GET", "/metrics", headers=[("accept", accept)])
    reply = ask(gateway.port, asked)
    assert reply.status == 200
    assert b"rung_build_info{" in reply.body
