"""What prompt caches and shortened tool output spare, on the bill: exact, signed, by anything."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from rung.assemble import assemble
from rung.cli.bill import show_bill
from rung.config import parse
from rung.core.types import Directions, Price, Usage, UsageSource
from rung.ledger import Ledger
from rung.ledger.bill import BillBy, Sparing, bill
from rung.ledger.bill_json import to_json
from rung.pricing import PriceBook
from rung.pricing.fixed import FixedPricer
from rung.wire.front import Arrival
from rung.wire.messages import FRONT
from support.outcomes import outcome

PRICE = Price(
    "test",
    input_nanousd_per_mtok=2_000_000_000,
    output_nanousd_per_mtok=10_000_000_000,
    cache_read_nanousd_per_mtok=100_000_000,
    cache_write_nanousd_per_mtok=2_500_000_000,
    cache_write_1h_nanousd_per_mtok=4_000_000_000,
)


def used(input_tokens=0, read=0, write=0, hour=0, source=UsageSource.PROVIDER):
    return Usage(input_tokens, 10, read, write, 0, source, hour)


def booked(tmp_path, *calls):
    """A ledger of requests of one call each: its usage, what it was spared, its price, its tier."""
    made = []
    for number, (usage, spared, price, tier) in enumerate(calls):
        one = outcome(f"r{number}")
        first = replace(
            *(one.attempts[0],),
            id=f"a{number}",
            tier=tier,
            usage=usage,
            price=price,
            spared_tokens=spared,
        )
        steps = (replace(one.plan.steps[0], tier=tier), *one.plan.steps[1:])
        plan = replace(one.plan, steps=steps)
        made.append(replace(one, plan=plan, attempts=(first, *one.attempts[1:])))
    ledger = Ledger.open(tmp_path / "ledger.db")

    async def append_all():
        await asyncio.gather(*(ledger.append(one) for one in made))

    asyncio.run(append_all())
    return ledger


def sparing(tmp_path, *calls):
    with booked(tmp_path, *((*call, PRICE, "tiny")[:4] for call in calls)) as ledger:
        return bill(ledger).total.spend.sparing


def test_reading_from_a_cache_saves_the_difference(tmp_path):
    found = sparing(tmp_path, (used(10_000, read=9_000), 0), (used(5_000), 0))
    assert found.cache_nanousd == 9 * (2_000_000 - 100_000)
    assert found.hit_rate == pytest.approx(9_000 / 15_000)


def test_writing_to_a_cache_costs_the_difference(tmp_path):
    found = sparing(tmp_path, (used(10_000, write=8_000, hour=3_000), 0))
    assert found.cache_nanousd == -(5 * 500_000 + 3 * 2_000_000)
    assert found.hit_rate == 0


def test_what_was_not_sent_counts_like_the_other_input_of_its_call(tmp_path):
    cold = sparing(tmp_path, (used(1_000), 500))
    assert (cold.shortened_tokens, cold.shortened_nanousd) == (500, 500 * 2_000)


def test_what_would_have_been_read_from_a_cache_counts_as_that(tmp_path):
    warm = sparing(tmp_path, (used(1_000, read=1_000), 500))
    assert (warm.shortened_tokens, warm.shortened_nanousd) == (500, 500 * 100)
    assert warm.cache_nanousd == 1_000 * 1_900


def test_a_call_that_was_not_billed_spared_nothing(tmp_path):
    assert sparing(tmp_path, (Usage(), 500)) == Sparing()


def test_estimated_counts_are_in_no_hit_rate(tmp_path):
    found = sparing(tmp_path, (used(1_000, source=UsageSource.ESTIMATED), 0))
    assert (found.told_tokens, found.hit_rate) == (0, None)


@pytest.mark.parametrize("price", [None, Price("local"), Price("configured as free")])
def test_what_costs_nothing_saves_nothing(tmp_path, price):
    with booked(tmp_path, (used(1_000, read=900), 50, price, "tiny")) as ledger:
        found = bill(ledger).total.spend.sparing
    assert (found.cache_nanousd, found.shortened_nanousd, found.read_tokens) == (0, 0, 900)


def test_a_price_without_caches_takes_them_for_input(tmp_path):
    price = Price("configured", input_nanousd_per_mtok=2_000_000_000)
    with booked(tmp_path, (used(1_000, read=900, write=50), 100, price, "tiny")) as ledger:
        found = bill(ledger).total.spend.sparing
    assert (found.cache_nanousd, found.shortened_nanousd) == (0, 100 * 2_000)


def test_it_is_what_the_calls_would_have_cost_without(tmp_path):
    usage = used(12_345, read=6_789, write=1_234, hour=321)
    plain = Usage(usage.input_tokens, usage.output_tokens)
    price = replace(PRICE, cache_write_1h_nanousd_per_mtok=PRICE.cache_write_nanousd_per_mtok)
    pricer = FixedPricer(price)
    with booked(tmp_path, (usage, 0, price, "tiny")) as ledger:
        found = bill(ledger).total.spend.sparing
    saved = pricer.cost(plain, 0, None) - pricer.cost(usage, 0, None)
    assert abs(found.cache_nanousd - saved) <= 1


def test_large_amounts_do_not_overflow(tmp_path):
    dear = replace(PRICE, input_nanousd_per_mtok=100_000_000_000)
    usage = used(900_000_000, read=900_000_000)
    with booked(tmp_path, *[(usage, 10**6, dear, "tiny")] * 20) as ledger:
        found = bill(ledger).total.spend.sparing
    assert found.cache_nanousd == 20 * 900 * (100_000_000_000 - 100_000_000)


def test_it_is_split_like_everything_else(tmp_path):
    calls = (used(1_000, read=900), 10, PRICE, "tiny"), (used(3_000), 20, PRICE, "middle")
    with booked(tmp_path, *calls) as ledger:
        made = bill(ledger, by=BillBy.TIER)
    by_tier = {line.key: line.spend.sparing for line in made.lines}
    assert by_tier["tiny"].hit_rate == 0.9
    assert by_tier["middle"].hit_rate == 0
    total = made.total.spend.sparing
    for name in ("told_tokens", "read_tokens", "cache_nanousd", "shortened_tokens"):
        assert sum(getattr(one, name) for one in by_tier.values()) == getattr(total, name)


def test_programs_read_it_beside_the_tokens(tmp_path):
    with booked(tmp_path, (used(1_000, read=900), 10, PRICE, "tiny")) as ledger:
        told = to_json(bill(ledger))["total"]
    assert told["cache"] == {
        "hit_rate": 0.9,
        "input_tokens": 1_000,
        "read_tokens": 900,
        "saved_nanousd": 1_710_000,
        "saved_usd": "0.001710000",
    }
    assert told["shortened"]["tokens"] == 10
    assert told["shortened"]["saved_nanousd"] == 10 * 290


def shown(made):
    console = Console(width=110, record=True)
    show_bill(made, console)
    return console.export_text()


def test_people_see_it_only_where_there_is_any(tmp_path):
    with booked(tmp_path, (used(1_000, read=900), 10, PRICE, "tiny")) as ledger:
        told = shown(bill(ledger, by=BillBy.TIER))
    assert "90% of the input read from them, $0.00171 saved" in told
    assert "10 tokens not sent" in told
    assert "cached" in told
    (tmp_path / "other").mkdir()
    with booked(tmp_path / "other", (used(1_000), 0, PRICE, "tiny")) as ledger:
        told = shown(bill(ledger, by=BillBy.TIER))
    assert "cached" not in told
    assert "prompt caches" not in told


def test_people_see_a_loss_as_one(tmp_path):
    with booked(tmp_path, (used(1_000, write=1_000), 0, PRICE, "tiny")) as ledger:
        assert "0% of the input read from them, $0.000500 more than without" in shown(bill(ledger))


def test_what_is_written_for_an_hour_has_the_lists_own_price():
    at = datetime(2026, 11, 3, tzinfo=UTC)
    book = PriceBook(now=lambda: at)
    for model in ("claude-sonnet-5-5", "claude-haiku-5-5"):  # whole figures, and steps
        pricer = book.pricer("anthropic", model, None, local=False)
        price = pricer.price
        short, long = (used(1_000, write=1_000, hour=hour) for hour in (0, 1_000))
        written = price.cache_write_nanousd_per_mtok, price.cache_write_1h_nanousd_per_mtok
        assert (
            pricer.cost(long, 0, at) - pricer.cost(short, 0, at)
            == (written[1] - written[0]) // 1_000
        )
        assert written[1] == 2 * price.input_nanousd_per_mtok
        assert pricer.worst_cost(1_000, 10) >= pricer.cost(long, 0, at)


def test_a_request_that_asks_for_no_hour_is_bounded_by_the_price_of_plain_writing():
    text = """
        [tiers.c]
        provider = "anthropic"
        model = "claude-sonnet-5-5"
        [ladders.default]
        tiers = ["c"]
        max_usd = 100
    """
    config = parse(text, Path("rung.toml"), {"ANTHROPIC_API_KEY": "k"})
    parts = assemble(config, ledger=False)
    price = parts.tiers["c"].pricer.price

    def worst(marker):
        block = {"type": "text", "text": "hi", "cache_control": marker}
        turn = {"role": "user", "content": [block]}
        body = json.dumps({"model": "rung", "max_tokens": 10, "messages": [turn]}).encode()
        request = FRONT.decode_request(body, Arrival("r", Directions(), {}, ""))
        order = parts.intake.order(request)
        (step,) = order.plan.steps
        read = 2 * order.input_tokens
        return step.worst_cost_nanousd - 10 * price.output_nanousd_per_mtok // 10**6, read

    marker = {"type": "ephemeral"}
    bound, read = worst(marker)
    assert bound == read * price.cache_write_nanousd_per_mtok // 10**6
    bound, read = worst(marker | {"ttl": "1h"})
    assert bound == read * price.cache_write_1h_nanousd_per_mtok // 10**6


def test_a_model_without_a_price_for_an_hour_takes_that_of_writing():
    at = datetime(2026, 11, 3, tzinfo=UTC)
    pricer = PriceBook(now=lambda: at).pricer("openai", "gpt-6.1-sol", None, local=False)
    short, long = (used(1_000, write=1_000, hour=hour) for hour in (0, 1_000))
    assert pricer.cost(long, 0, at) == pricer.cost(short, 0, at)


def test_what_was_written_for_an_hour_comes_back_from_the_ledger(tmp_path):
    usage = used(1_000, write=900, hour=800)
    with booked(tmp_path, (usage, 5, PRICE, "tiny")) as ledger:
        stored = ledger.find("r0")
    assert stored.history[0].usage == usage
    assert stored.history[0].price == PRICE
    assert stored.history[0].spared_tokens == 5
