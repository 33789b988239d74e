"""`rung reconcile`: two accounts of the same calls, and what of a difference is explained."""

import gzip
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.cli.reconcile import reconcile
from rung.core.errors import RequestError
from rung.core.reconciling import (
    Account,
    Booked,
    Figures,
    Finding,
    Told,
    canonical,
    compare,
)
from rung.core.types import Failure, Fault, Price, Usage, UsageSource
from rung.ledger import Ledger
from rung.wire.errors import WireError
from rung.wire.usage_exports import read
from support.outcomes import outcome

DAY = date(2026, 11, 1)
LUNA = "gpt-6-luna"


def unix(day=DAY, hour=12.0):
    return datetime.combine(day, datetime.min.time(), UTC).timestamp() + hour * 3600


# ------------------------------------------------------------------ what providers export

OPENAI_USAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": int(unix(hour=0)),
            "end_time": int(unix(hour=24)),
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1000,
                    "output_tokens": 500,
                    "input_cached_tokens": 800,
                    "input_audio_tokens": 0,
                    "num_model_requests": 5,
                    "project_id": None,
                    "model": "gpt-6-luna-2026-08-01",
                    "batch": None,
                }
            ],
        },
        {
            "object": "bucket",
            "start_time": int(unix(hour=24)),
            "end_time": int(unix(hour=48)),
            "results": [],
        },
    ],
    "has_more": False,
    "next_page": None,
}
OPENAI_COSTS = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": int(unix(hour=0)),
            "end_time": int(unix(hour=24)),
            "results": [
                {
                    "object": "organization.costs.result",
                    "amount": {"value": 0.06, "currency": "usd"},
                    "line_item": "gpt-6-luna-2026-08-01, input",
                },
                {
                    "object": "organization.costs.result",
                    "amount": {"value": 0.0000005, "currency": "usd"},
                    "line_item": "gpt-6-luna-2026-08-01, output",
                },
            ],
        }
    ],
}
OPENAI_CSV = """\
start_time,end_time,start_time_iso,end_time_iso,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens
1793491200,1793577600,2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00,5,gpt-6-luna-2026-08-01,1000,500,800
"""
ANTHROPIC_USAGE = {
    "data": [
        {
            "starting_at": "2026-11-01T00:00:00Z",
            "ending_at": "2026-11-02T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1500,
                    "cache_creation": {
                        "ephemeral_1h_input_tokens": 1000,
                        "ephemeral_5m_input_tokens": 500,
                    },
                    "cache_read_input_tokens": 200,
                    "output_tokens": 500,
                    "server_tool_use": {"web_search_requests": 10},
                    "model": "claude-sonnet-5-5-20260901",
                    "service_tier": "standard",
                }
            ],
        }
    ],
    "has_more": False,
}
ANTHROPIC_COSTS = {
    "data": [
        {
            "starting_at": "2026-11-01T00:00:00Z",
            "ending_at": "2026-11-02T00:00:00Z",
            "results": [
                {
                    "currency": "USD",
                    "amount": "123.456",
                    "model": "claude-sonnet-5-5",
                    "token_type": "x",
                }
            ],
        }
    ]
}
ANTHROPIC_CSV = """\
usage_date_utc,model_version,api_key,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count
2026-11-01,claude-sonnet-5-5-20260901,prod,1500,500,1000,200,500,10
"""
SONNET = Figures(None, 3200, 500, 200, 1500, 10)


@pytest.mark.parametrize(
    ("text", "provider", "row"),
    [
        (json.dumps(OPENAI_USAGE), "openai", Figures(5, 1000, 500, 800)),
        (OPENAI_CSV, "openai", Figures(5, 1000, 500, 800)),
        (json.dumps(ANTHROPIC_USAGE), "anthropic", SONNET),
        (ANTHROPIC_CSV, "anthropic", SONNET),
        (json.dumps(ANTHROPIC_COSTS), "anthropic", Figures(cost_nanousd=1_234_560_000)),
        ("Date;Model;Requests\n2026-11-01;m;5\n", "plain", Figures(5)),
        (
            '{"date": "2026-11-01", "model": "m", "cost_usd": 0.1}\n',
            "plain",
            Figures(cost_nanousd=10**8),
        ),
        ('[{"day": "2026-11-01", "requests": "5"}]', "plain", Figures(5)),
        (
            "\ufeffdate,model,cost_usd\n2026-11-01,m,$1.50\n",
            "plain",
            Figures(cost_nanousd=15 * 10**8),
        ),
    ],
)
def test_an_export_is_read_whatever_its_shape(text, provider, row):
    account = read(text)
    assert account.provider == provider
    assert [told.figures for told in account.rows] == [row]
    assert account.rows[0].day == DAY


def test_amounts_are_read_to_the_nano_dollar_and_line_items_are_models():
    account = read(json.dumps(OPENAI_COSTS))
    assert [row.figures.cost_nanousd for row in account.rows] == [60_000_000, 500]
    assert {canonical(row.model) for row in account.rows} == {LUNA}


def test_days_without_calls_are_covered_and_a_part_says_so():
    account = read(json.dumps(OPENAI_USAGE))
    assert account.covered() == [DAY, DAY + timedelta(1)]
    assert account.warnings == []
    part = read(json.dumps(OPENAI_USAGE | {"has_more": True}))
    assert "part" in part.warnings[0]


def test_pages_may_follow_each_other_in_one_file():
    account = read(json.dumps(OPENAI_USAGE) + "\n" + json.dumps(OPENAI_COSTS))
    assert len(account.rows) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rows"),
        ("date,model,requests\n", "no rows"),
        ("{", "line 1 is not JSON"),
        ('{"date": "2026-11-01", "requests": NaN}', "not JSON"),
        ("[1]", "row 1 is no object"),
        ('{"data": [{"results": 5}]}', "no page of a usage report"),
        ("model,requests\nm,5\n", "has no day"),
        ("date,model\n2026-11-01,m\n", "neither counters nor an amount"),
        ("date,requests\nyesterday,5\n", "no time"),
        ("date,requests\n2026-11-01,-5\n", "no count"),
        ("date,requests\n2026-11-01,five\n", "no number"),
        ("date,requests\n2026-11-01,1.5\n", "no count"),
        ("date,requests\n2026-11-01,1e999999999\n", "no number"),
        ("date,requests\n2026-11-01,nan\n", "no number"),
        ("date,requests\n2026-11-01,5,6\n", "line 2 has 3 cells"),
        ('date,requests\n"2026-11-01,5\n', "no CSV"),
        ("date,cost_usd,currency\n2026-11-01,5,EUR\n", "only US dollars"),
        ("date,cost_usd\n2026-11-01,99999999999\n", "no amount of money"),
        ('{"data": [{"start_time": 1, "end_time": 999999, "results": []}]}', "more than a day"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text, said):
    with pytest.raises(WireError, match=said):
        read(text)


@given(text=st.text() | st.text(st.sampled_from('{}[]",:;\n0123456789.-datemodrqus ')))
def test_whatever_the_text_it_is_read_or_refused(text):
    with suppress(WireError):
        assert read(text).rows


# ------------------------------------------------------------------ both accounts


def account(*rows):
    return Account("openai", [Told(day, model, figures) for day, model, figures in rows])


WHOLE = Figures(5, 1000, 500, 800, 0, 0, 10**9)


def findings(told, booked, tolerance=Fraction(0)):
    return [each.finding for each in compare(told, booked, tolerance)]


def test_the_same_figures_agree_whatever_the_snapshot_is_called():
    told = account((DAY, "openai/gpt-6-luna-2026-08-01", WHOLE))
    assert findings(told, {(DAY, LUNA): Booked(WHOLE)}) == [Finding.AGREES]


def test_what_is_not_told_is_not_compared():
    told = account((DAY, LUNA, Figures(requests=5)), (DAY, LUNA, Figures(output_tokens=500)))
    assert findings(told, {(DAY, LUNA): Booked(WHOLE)}) == [Finding.AGREES]


@pytest.mark.parametrize("name", ["requests", "input_tokens", "output_tokens", "cache_read_tokens"])
@pytest.mark.parametrize("by", [-1, 1])
def test_one_more_or_less_of_anything_differs(name, by):
    told = account((DAY, LUNA, replace(WHOLE, **{name: getattr(WHOLE, name) + by})))
    (found,) = compare(told, {(DAY, LUNA): Booked(WHOLE)})
    assert found.finding is Finding.OTHER_COUNTS
    if name == "requests":
        assert "1 requests there are not here" in found.why[0] or "1 calls here" in found.why[0]


def test_amounts_may_differ_by_the_cent_that_providers_round_and_no_more():
    booked = {(DAY, LUNA): Booked(WHOLE)}
    cent = account((DAY, LUNA, replace(WHOLE, cost_nanousd=10**9 + 10**7)))
    assert findings(cent, booked) == [Finding.AGREES]
    more = account((DAY, LUNA, replace(WHOLE, cost_nanousd=10**9 + 10**7 + 1)))
    (found,) = compare(more, booked)
    assert found.finding is Finding.OTHER_COUNTS
    assert found.why == ("the counters agree, so the prices do not: see rung bill --reprice",)
    assert findings(more, booked, Fraction(2, 100)) == [Finding.AGREES]


def test_calls_of_one_side_alone_are_missing_on_the_other():
    told, booked = account((DAY, "other", WHOLE)), {(DAY, LUNA): Booked(WHOLE)}
    assert findings(told, booked) == [Finding.MISSING_THERE, Finding.MISSING_HERE]


def test_calls_that_came_to_nothing_are_missed_by_nobody():
    refused = Booked(Figures(0, 0, 0, 0, 0, 0, 0), untold=7)
    assert findings(account(), {(DAY, LUNA): refused}) == []


def test_what_estimates_can_be_off_by_is_explained_by_them():
    estimated = Figures(1, 100, 50, 0, 0, 0, 10**8)
    booked = {(DAY, LUNA): Booked(WHOLE, estimated)}
    near = account((DAY, LUNA, replace(WHOLE, input_tokens=1080, output_tokens=470)))
    assert findings(near, booked) == [Finding.ESTIMATED_HERE]
    far = account((DAY, LUNA, replace(WHOLE, input_tokens=1500)))
    assert findings(far, booked) == [Finding.OTHER_COUNTS]
    less = account((DAY, LUNA, replace(WHOLE, input_tokens=800)))
    assert findings(less, booked) == [Finding.OTHER_COUNTS]


def test_calls_around_midnight_may_stand_on_either_day():
    half = Figures(2, 400, 200, 300, 0, 0, 4 * 10**8)
    rest = Figures(3, 600, 300, 500, 0, 0, 6 * 10**8)
    later = DAY + timedelta(1)
    booked = {(DAY, LUNA): Booked(half), (later, LUNA): Booked(rest)}
    told = account((DAY, LUNA, rest), (later, LUNA, half))
    assert findings(told, booked) == [Finding.NEXT_DAY] * 2
    assert findings(account((later, LUNA, WHOLE)), booked) == [Finding.NEXT_DAY] * 2
    apart = account((DAY, LUNA, rest), (DAY + timedelta(2), LUNA, half))
    assert Finding.NEXT_DAY not in findings(apart, booked)


def test_an_account_without_models_is_compared_by_the_day():
    booked = {(DAY, LUNA): Booked(WHOLE), (DAY, "other"): Booked(WHOLE)}
    told = account((DAY, "", WHOLE.plus(WHOLE)))
    assert findings(told, booked) == [Finding.AGREES]


COUNTS = st.integers(0, 50)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from([DAY, DAY + timedelta(1)]), st.sampled_from([LUNA, "other"])),
        st.builds(Figures, st.integers(1, 9), *[COUNTS] * 5, st.integers(0, 10**9)),
    )
)
def test_an_account_made_from_the_ledger_agrees_with_it(figures):
    told = account(*((day, model, each) for (day, model), each in figures.items()))
    booked = {key: Booked(each) for key, each in figures.items()}
    assert set(findings(told, booked)) <= {Finding.AGREES}
    assert len(findings(told, booked)) == len(figures)


# ------------------------------------------------------------------ from the ledger


def called(name, at, used=(100, 50), model="gpt-6-luna-2026-08-01", **changed):
    made = outcome(name, started_unix=at)
    usage = Usage(*used, source=UsageSource.PROVIDER)
    attempt = replace(
        made.attempts[0],
        tier="own",
        usage=usage,
        answer=replace(made.attempts[0].answer, model=model),
        cost_nanousd=1000,
        price=Price("genai-prices 1 openai/gpt-6-luna", 1, 1),
    )
    return replace(made, attempts=(replace(attempt, **changed),))


REFUSED = Failure(Fault.RATE_LIMITED, "later", 429)


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / "rung.toml").write_text(
        'ledger = "l.db"\n[tiers.local]\nprovider = "embedded"\n'
        '[tiers.own]\nprovider = "openai"\nmodel = "gpt-6-luna"\n'
        '[tiers.other]\nprovider = "anthropic"\nmodel = "claude-sonnet-5-5"\n'
        '[ladders.default]\ntiers = ["local", "own"]\n'
    )
    with Ledger.open(tmp_path / "l.db") as ledger:
        for number in range(5):
            ledger.append_now(called(f"req-{number}", unix(hour=number)))
        ledger.append_now(called("here", unix(), tier="local", local=True, price=Price("local")))
        ledger.append_now(called("else", unix(), tier="other", price=None, model="claude"))
        ledger.append_now(
            called("none", unix(), answer=None, failure=REFUSED, usage=Usage(), cost_nanousd=0)
        )
        ledger.append_now(called("late", unix(hour=23.999), started_at=60.0, ended_at=61.0))
        ledger.append_now(called("before", unix(hour=-1)))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "rung.toml"


def export(path, requests=5, read=500, written=250, **more):
    result = {"num_model_requests": requests, "input_tokens": read, "output_tokens": written}
    bucket = OPENAI_USAGE["data"][0] | {"results": [result | {"model": LUNA} | more]}
    later = OPENAI_USAGE["data"][1] | {"results": more.pop("later", [])}
    path.write_text(json.dumps(OPENAI_USAGE | {"data": [bucket, later]}))
    return path


def run(capsys, *args, status=0, **options):
    if status:
        with pytest.raises(SystemExit) as ended:
            reconcile(*args, **options)
        assert ended.value.code == status
    else:
        reconcile(*args, **options)
    return capsys.readouterr().out


def test_only_the_providers_own_calls_are_held_against_its_account(config, capsys):
    later = [{"num_model_requests": 1, "input_tokens": 100, "output_tokens": 50, "model": LUNA}]
    file = export(config.parent / "u.json", later=later)
    told = json.loads(run(capsys, file, path=config, json=True))
    assert told["agrees"]
    assert told["findings"] == {"agrees": 2}
    assert told["lines"][0]["here"]["untold"] == 1
    assert told["total"]["there"]["requests"] == 6


def test_a_call_belongs_to_the_day_on_which_it_was_made(config, capsys):
    file = export(config.parent / "u.json")
    told = json.loads(run(capsys, file, path=config, json=True, status=1))
    assert [line["finding"] for line in told["lines"]] == ["agrees", "missing_there"]
    assert told["lines"][1]["day"] == "2026-11-02"


def test_a_difference_is_told_and_ends_with_status_1(config, capsys):
    later = [{"num_model_requests": 1, "input_tokens": 100, "output_tokens": 50, "model": LUNA}]
    file = export(config.parent / "u.json", requests=6, read=777, later=later)
    shown = run(capsys, file, path=config, status=1)
    assert "other counts" in shown
    assert "1 requests there are not here" in shown


def test_a_plain_file_may_be_of_one_tier_and_packed(config, capsys):
    text = "date,model,requests,input_tokens\n2026-11-01,claude,1,100\n"
    (config.parent / "p.csv.gz").write_bytes(gzip.compress(text.encode()))
    told = run(capsys, config.parent / "p.csv.gz", tier=("other",), path=config, json=True)
    assert json.loads(told)["agrees"]


def test_usage_and_costs_may_be_two_files(config, capsys):
    later = [{"num_model_requests": 1, "input_tokens": 100, "output_tokens": 50, "model": LUNA}]
    usage = export(config.parent / "u.json", later=later)
    costs = config.parent / "c.json"
    costs.write_text(json.dumps(OPENAI_COSTS, default=Decimal))
    told = json.loads(run(capsys, usage, costs, path=config, json=True, status=1))
    assert told["lines"][0]["there"]["cost_usd"] == "0.060000500"
    assert told["lines"][0]["here"]["cost_usd"] == "0.000005000"


@pytest.mark.parametrize(
    ("args", "options", "said"),
    [
        (("none.csv",), {}, "cannot be read"),
        (("rung.toml",), {}, "cannot be compared"),
        (("u.json", "u.json"), {}, "count twice"),
        (("u.json",), {"tolerance": "x"}, "no share"),
        (("u.json",), {"tier": ("owm",)}, "no tier"),
        (("u.json", "p.csv"), {}, "looks like"),
    ],
)
def test_what_cannot_be_compared_is_refused(config, args, options, said):
    export(config.parent / "u.json")
    (config.parent / "p.csv").write_text("date,requests\n2026-11-01,5\n")
    with pytest.raises(RequestError, match=said):
        reconcile(*(config.parent / name for name in args), path=config, **options)
