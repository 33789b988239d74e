"""`rung bill --reprice`: the same calls by other prices, to the nano-dollar, nothing left out."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings

from rung.cli import repricing
from rung.cli.bill import bill
from rung.core.errors import ConfigError, RequestError
from rung.core.money import from_usd
from rung.core.types import Price, Usage, UsageSource
from rung.ledger import Ledger
from rung.ledger.bill import BillBy
from rung.ledger.calls import Span
from rung.pricing import PriceBook
from rung.pricing.repricing import AtDate, Billed, ByTable, reprice
from support.outcomes import books, outcome

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOOK = PriceBook(now=lambda: NOW)
LUNA = BOOK.pricer("openai", "gpt-5.6-luna", None, local=False)
USED = Usage(1_000_000, 100_000, source=UsageSource.PROVIDER)
FREE = Price("local")


def billed(price=LUNA.price, used=USED, **changed):
    cost = 0 if price is FREE else LUNA.cost(used, 1.0, NOW)
    made = Billed("own", "gpt-5.6-luna-2026-07-01", used, 1.0, NOW, cost, price)
    return replace(made, **changed)


def anew(prices, *calls):
    return reprice([(call.tier, call) for call in calls], prices).total


# ------------------------------------------------------------------ another date


def test_calls_cost_what_the_list_said_on_that_day():
    total = anew(AtDate(BOOK, date(2026, 7, 1)), billed())
    then = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert total.billed_nanousd == LUNA.cost(USED, 1.0, NOW)
    assert total.repriced_nanousd == LUNA.cost(USED, 1.0, then)
    assert total.repriced_nanousd == from_usd("2") + from_usd("0.9")
    assert total.difference_nanousd > 0
    assert not total.kept


def test_the_price_of_the_day_of_the_call_gives_what_was_billed():
    total = anew(AtDate(BOOK, NOW.date()), billed(), billed(used=replace(USED, server_tools=3)))
    assert total.difference_nanousd == 0
    assert not total.kept


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (billed(Price("configured", 5, 5)), "its price is configured"),
        (billed(FREE), "its price is local"),
        (billed(None), "it had no price"),
        (billed(Price("genai-prices 0.1 nobody/none", 1)), "not on the list any more"),
        (billed(counted=False), "told no usage"),
    ],
)
def test_what_has_no_price_of_that_day_keeps_its_amount_and_is_counted(call, why):
    total = anew(AtDate(BOOK, date(2026, 7, 1)), call)
    assert total.repriced_nanousd == total.billed_nanousd == total.kept_nanousd == call.cost_nanousd
    assert [why in said for said in total.kept] == [True]


# ------------------------------------------------------------------ a table

TABLE = """
[tiers.own]
input_usd_per_mtok = 1
output_usd_per_mtok = 10
web_search_usd = "0.01"

[models."openai/gpt-5.6-luna"]
input_usd_per_mtok = 2
output_usd_per_mtok = 20
"""


def test_a_tiers_price_comes_before_its_models():
    prices = ByTable.parsed(TABLE, "prices.toml")
    used = replace(USED, server_tools=2)
    assert anew(prices, billed(used=used)).repriced_nanousd == from_usd("2.02")
    assert anew(prices, billed(tier="other")).repriced_nanousd == from_usd("4")
    assert prices.unused() == []


@pytest.mark.parametrize("name", ["openai/gpt-5.6-luna", "gpt-5.6-luna", "gpt-5.6-luna-2026-07-01"])
def test_a_model_may_be_named_as_it_answers_or_as_it_is_listed(name):
    text = f'[models."{name}"]\ninput_usd_per_mtok = 3\noutput_usd_per_mtok = 0\n'
    assert anew(ByTable.parsed(text, "p"), billed()).repriced_nanousd == from_usd(3)


def test_local_calls_can_be_given_a_price():
    text = "[tiers.own]\ninput_usd_per_mtok = 3\noutput_usd_per_mtok = 0\n"
    total = anew(ByTable.parsed(text, "p"), billed(FREE))
    assert (total.billed_nanousd, total.repriced_nanousd) == (0, from_usd(3))


def test_what_is_not_named_keeps_its_amount_and_what_is_not_used_is_told():
    prices = ByTable.parsed(TABLE.replace("own", "owm"), "p")
    call = billed(price=Price("configured", 5, 5), model="x")
    assert anew(prices, call).kept == {"the file does not name it": 1}
    assert prices.unused() == ["tiers.owm", "models.openai/gpt-5.6-luna"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[models", "not TOML"),
        ("", "names no price"),
        ("[models.a]\ninput_usd_per_mtok = 1\n", "output_usd_per_mtok"),
        ("[models.a]\ninput_usd_per_mtok = nan\noutput_usd_per_mtok = 1\n", "finite"),
        ("[models.a]\ninput_usd_per_mtok = -1\noutput_usd_per_mtok = 1\n", "greater than or equal"),
        ('[models.a]\ninput_usd_per_mtok = "x"\noutput_usd_per_mtok = 1\n', "decimal"),
        ("[models.a]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 20000\n", "between 0 and"),
        ("[model.a]\ninput_usd_per_mtok = 1\n", "no such key"),
    ],
)
def test_a_table_with_a_fault_is_refused(text, said):
    with pytest.raises(ConfigError) as caught:
        ByTable.parsed(text, "prices.toml")
    assert said in str(caught.value)


# ------------------------------------------------------------------ from the ledger


@given(made=books())
@settings(deadline=None, max_examples=15)
def test_without_a_price_of_that_day_the_bill_stays_what_it_was(tmp_path_factory, made):
    with Ledger.open(tmp_path_factory.mktemp("reprice") / "ledger.db") as ledger:
        for one in made:
            ledger.append_now(one)
        for by in BillBy:
            found = repricing.repriced(ledger, AtDate(BOOK, date(2026, 1, 1)), Span(), by)
            calls = [attempt for one in made for attempt in one.attempts]
            spent = sum(attempt.cost_nanousd for attempt in calls)
            total = found.made.total
            assert (total.calls, total.billed_nanousd) == (len(calls), spent)
            assert total.repriced_nanousd == total.kept_nanousd == spent
            assert sum(line.calls for line in found.made.lines.values()) == len(calls)


def dear(name, at=1_700_000_000.0):
    made = outcome(name, started_unix=at)
    cost = LUNA.cost(USED, 1.0, NOW)
    attempt = replace(made.attempts[0], price=LUNA.price, usage=USED, cost_nanousd=cost)
    return replace(made, attempts=(attempt,))


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / "rung.toml").write_text(
        'ledger = "l.db"\n[tiers.tiny]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["tiny"]\n'
    )
    with Ledger.open(tmp_path / "l.db") as ledger:
        for number in range(3):
            ledger.append_now(dear(f"req-{number}", 1_700_000_000.0 + number * 86_400))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "rung.toml"


def test_the_command_tells_both_amounts(config, capsys):
    bill(reprice="2026-07-01", by=BillBy.DAY, path=config, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["total"]["calls"] == 3
    assert told["total"]["repriced_usd"] == "8.700000000"
    assert [line["key"] for line in told["lines"]] == ["2023-11-14", "2023-11-15", "2023-11-16"]
    bill(reprice="2026-07-01", path=config)
    shown = capsys.readouterr().out
    assert "$8.70" in shown
    assert "2026-07-01" in shown


def test_a_span_bounds_what_is_reckoned(config, capsys):
    bill(reprice="today", since="2023-11-15", until="2023-11-16", path=config, json=True)
    assert json.loads(capsys.readouterr().out)["total"]["calls"] == 1


def test_the_command_takes_a_file(config, capsys):
    (config.parent / "p.toml").write_text(
        "[tiers.tiny]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 0\n"
        "[tiers.x]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 0\n"
    )
    bill(reprice="p.toml", path=config)
    shown = capsys.readouterr().out
    assert "$3.00" in shown
    assert "no call was priced by tiers.x" in shown


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reprice": "2026-13-01"}, "no date and no file"),
        ({"reprice": "none.toml"}, "cannot be read"),
        ({"reprice": "today", "baseline": "x"}, "no savings"),
    ],
)
def test_what_cannot_be_reckoned_is_refused(config, given, said):
    with pytest.raises(RequestError) as caught:
        bill(**given, path=config)
    assert said in str(caught.value)
