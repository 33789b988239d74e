"""Prices: exact to the nano-dollar, never zero by accident, bounded against hostile names."""

import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version

import pytest
from genai_prices import Usage as ListUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.core.features import Beyond
from rung.core.money import from_usd
from rung.core.types import Usage, UsageSource
from rung.file_tables import TierTable
from rung.pricing import FixedPricer, ListedPricer, PriceBook, PriceOverride
from rung.pricing.arithmetic import half_even
from rung.pricing.book import REMEMBERED_NAMES
from rung.pricing.listed import by_tokens

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PROVIDERS = get_snapshot().providers
TOKEN_PRICED = [
    (provider, model)
    for provider in PROVIDERS
    for model in provider.models
    if by_tokens(model.get_prices(NOW))
]


def book():
    return PriceBook(now=lambda: NOW)


def usage(sent=0, said=0, read=0, written=0, thought=0):
    return Usage(sent, said, read, written, thought, UsageSource.PROVIDER)


def listed(provider, model):
    return ListedPricer(provider, model, "1", lambda: NOW)


def by_the_list(provider, model, used, at=NOW):
    counts = ListUsage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        output_reasoning_tokens=used.reasoning_tokens,
        cache_write_1h_tokens=used.cache_write_1h_tokens,
        web_searches=used.server_tools - used.file_searches,
        storage_searches=used.file_searches,
    )
    priced = model.calc_price(counts, provider, genai_request_timestamp=at)
    return from_usd(priced.total_price)


@st.composite
def usages(draw):
    parts = [draw(st.sampled_from([0, 1, 999, 100_000, 200_001]) | st.integers(0, 2_000_000))]
    parts += [draw(st.integers(0, 300_000)) for _ in range(2)]
    said = draw(st.integers(0, 200_000))
    searches = draw(st.integers(0, 20))
    return replace(
        usage(sum(parts), said, parts[1], parts[2], draw(st.integers(0, said))),
        cache_write_1h_tokens=draw(st.integers(0, parts[2])),
        server_tools=searches,
        file_searches=draw(st.integers(0, searches)),
    )


# ------------------------------------------------------------------ the list


@pytest.mark.parametrize(
    "used",
    [
        usage(1234, 567),
        usage(99_999, 3, 1, 7, 2),
        usage(100_001, 1, 33_333, 11),
        usage(1_000_001, 777, 3, 5, 700),
        usage(),
    ],
)
def test_every_model_of_the_list_costs_to_the_nano_what_the_list_says(used):
    differing = [
        (provider.id, model.id)
        for provider, model in TOKEN_PRICED
        if listed(provider, model).cost(used, 1.0, NOW) != by_the_list(provider, model, used)
    ]
    assert differing == []


@given(
    priced=st.sampled_from(TOKEN_PRICED),
    used=usages(),
    at=st.datetimes(datetime(2024, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_any_usage_at_any_date_costs_what_the_list_says(priced, used, at):
    assert listed(*priced).cost(used, 0.0, at) == by_the_list(*priced, used, at)


@given(priced=st.sampled_from(TOKEN_PRICED), used=usages())
def test_no_call_within_its_counts_costs_more_than_the_worst_cost(priced, used):
    pricer = listed(*priced)
    beyond = Beyond(searches=used.server_tools)
    worst = pricer.worst_cost(used.input_tokens, used.output_tokens, beyond=beyond)
    assert pricer.cost(used, 0.0, NOW) <= worst


@given(priced=st.sampled_from(TOKEN_PRICED), used=usages())
def test_a_price_without_further_rules_alone_gives_the_amount(priced, used):
    pricer = listed(*priced)
    if not pricer.price.tiered:
        assert FixedPricer(pricer.price).cost(used, 0.0, NOW) == pricer.cost(used, 0.0, NOW)


WITH_MEDIA = [
    (provider, model)
    for provider, model in TOKEN_PRICED
    if not {
        *("input_image_mtok", "input_audio_mtok", "output_audio_mtok", "output_image_mtok")
    }.isdisjoint(name for name, price in vars(model.get_prices(NOW)).items() if price is not None)
]


@given(
    priced=st.sampled_from(WITH_MEDIA),
    images=st.integers(0, 5000),
    audio=st.integers(0, 5000),
    spoken=st.integers(0, 5000),
    drawn=st.integers(0, 5000),
)
def test_pictures_and_sound_cost_what_the_list_says(priced, images, audio, spoken, drawn):
    used = replace(
        usage(12_000, 11_000),
        image_tokens=images,
        audio_tokens=audio,
        audio_output_tokens=spoken,
        image_output_tokens=drawn,
    )
    counts = ListUsage(
        input_tokens=12_000,
        output_tokens=11_000,
        input_image_tokens=images,
        input_audio_tokens=audio,
        output_audio_tokens=spoken,
        output_image_tokens=drawn,
    )
    provider, model = priced
    by_list = model.calc_price(counts, provider, genai_request_timestamp=NOW).total_price
    pricer = listed(*priced)
    assert pricer.cost(used, 0.0, NOW) == from_usd(by_list)
    assert FixedPricer(pricer.price).cost(used, 0.0, NOW) == from_usd(by_list)
    assert pricer.cost(used, 0.0, NOW) <= pricer.worst_cost(12_000, 11_000)


def test_pictures_that_may_come_from_a_cache_are_billed_at_the_dearer_price():
    pricer = book().pricer("openai", "gpt-realtime", None, local=False)
    all_cached = replace(usage(1000, 0, read=1000), image_tokens=1000)
    half = replace(usage(1000, 0, read=500), image_tokens=1000)
    assert pricer.cost(all_cached, 0, NOW) == from_usd("0.0004")
    assert pricer.cost(half, 0, NOW) == from_usd("0.0002") + from_usd("0.0025")


def test_a_search_is_billed_by_the_piece():
    pricer = book().pricer("anthropic", "claude-sonnet-5-5", None, local=False)
    assert pricer.cost(replace(usage(), server_tools=3), 0, NOW) == from_usd("0.03")
    pricer = book().pricer("openai", "gpt-6.1-sol", None, local=False)
    both = replace(usage(), server_tools=3, file_searches=2)
    assert pricer.cost(both, 0, NOW) == from_usd("0.01") + 2 * from_usd("0.0025")
    assert pricer.worst_cost(0, 0, beyond=Beyond(searches=2)) == from_usd("0.02")


def test_an_operators_price_may_name_all_that_is_billed():
    override = PriceOverride(
        1,
        10,
        cache_write_1h_usd_per_mtok=2,
        image_usd_per_mtok=3,
        audio_usd_per_mtok=4,
        audio_output_usd_per_mtok=20,
        image_output_usd_per_mtok=30,
        web_search_usd="0.01",
        file_search_usd="0.0025",
    )
    pricer = FixedPricer(override.price())
    used = replace(
        usage(10_000_000, 3_000_000, written=1_000_000),
        cache_write_1h_tokens=1_000_000,
        image_tokens=1_000_000,
        audio_tokens=1_000_000,
        audio_output_tokens=1_000_000,
        image_output_tokens=1_000_000,
        server_tools=3,
        file_searches=1,
    )
    assert pricer.cost(used, 0, NOW) == from_usd(7 + 2 + 3 + 4 + 10 + 20 + 30) + from_usd("0.0225")


def test_a_long_prompt_pays_the_higher_step_for_all_its_tokens():
    pricer = book().pricer("anthropic", "claude-haiku-5-5", None, local=False)
    assert pricer.cost(usage(100_000, 1000), 0, NOW) == from_usd("0.0105")
    assert pricer.cost(usage(100_001, 0), 0, NOW) == from_usd("0.0500005")
    assert pricer.price.tiered


def test_cached_tokens_are_inside_the_input_and_never_paid_twice():
    pricer = book().pricer("anthropic", "claude-sonnet-5-5", None, local=False)
    assert pricer.cost(usage(1_000_000, 0, read=1_000_000), 0, NOW) == from_usd("0.10")
    assert pricer.cost(usage(1_000_000, 0, written=1_000_000), 0, NOW) == from_usd("2.50")


def test_the_price_names_its_source_and_version():
    price = book().pricer("anthropic", "claude-sonnet-5-5", None, local=False).price
    assert price.source == f"genai-prices {version('genai-prices')} anthropic/claude-sonnet-5-5"
    assert price.input_nanousd_per_mtok == from_usd(2)
    assert price.output_nanousd_per_mtok == from_usd(10)
    assert price.cache_read_nanousd_per_mtok == from_usd("0.1")


def test_a_provider_may_be_left_out_where_the_model_name_tells_it():
    price = book().pricer(None, "gpt-6-luna", None, local=False).price
    assert price.source.endswith("openai/gpt-6-luna")


def test_a_model_listed_at_zero_says_so_in_its_source():
    provider, model = TOKEN_PRICED[0]
    zero = ModelPrice(input_mtok=Decimal(0), output_mtok=Decimal(0))
    pricer = listed(provider, replace(model, prices=zero))
    assert pricer.cost(usage(1_000_000, 1_000_000), 1, NOW) == 0
    assert pricer.price.source.endswith("(listed as free)")


def test_a_dated_price_is_the_one_in_force_at_the_call():
    dated = [
        (provider, model)
        for provider, model in TOKEN_PRICED
        if isinstance(model.prices, list)
        and len({repr(entry.prices) for entry in model.prices}) > 1
        and by_tokens(model.prices[0].prices)
    ]
    used = usage(10_000, 10_000)
    changed = [
        pair
        for pair in dated
        if len({listed(*pair).cost(used, 0, NOW - timedelta(days=30 * n)) for n in range(36)}) > 1
    ]
    assert changed


@pytest.mark.parametrize(
    ("used", "same_as"),
    [
        (usage(10, 0, read=50), usage(50, 0, read=50)),
        (usage(-5, -5, -5, -5, -5), usage()),
        (usage(10**30, 0), usage(10**9, 0)),
        (usage(10, 5, thought=90), usage(10, 5, thought=5)),
    ],
)
def test_a_lying_counter_is_priced_as_the_nearest_sane_one(used, same_as):
    for provider, model in (("anthropic", "claude-haiku-5-5"), ("perplexity", "sonar-pro")):
        pricer = book().pricer(provider, model, None, local=False)
        assert pricer.cost(used, 0, NOW) == pricer.cost(same_as, 0, NOW)


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("provider", ["openai", None, "no-such-place"])
def test_an_unknown_price_is_refused_with_both_ways_out(provider):
    with pytest.raises(ConfigError) as raised:
        book().pricer(provider, "gtp-6-luna", None, local=False)
    said = str(raised.value)
    assert "gtp-6-luna" in said
    assert "gpt-6-luna" in said.replace("gtp-6-luna", "")
    assert "price = {" in said
    assert 'price = "free"' in said
    assert provider is None or provider in raised.value.problems[0].place


def test_a_model_priced_by_the_hour_of_audio_is_unknown_for_text():
    for provider in PROVIDERS:
        for model in provider.models:
            if not by_tokens(model.get_prices(NOW)):
                with pytest.raises(ConfigError):
                    book().pricer(provider.id, model.id, None, local=False)
                return
    pytest.fail("the list has no such model any more")


@pytest.mark.parametrize(
    "amount", ["-1", "nan", "inf", "-inf", "sNaN", "", "cheap", 0.15, True, "1e-10", "1e9", 10**40]
)
def test_an_override_that_is_no_amount_of_money_is_refused(amount):
    with pytest.raises(ConfigError, match=r"price\.input_usd_per_mtok"):
        PriceOverride(amount, "1")


def test_all_faults_of_an_override_are_told_at_once():
    with pytest.raises(ConfigError) as raised:
        PriceOverride("-1", "nan", "x")
    assert len(raised.value.problems) == 3


# ------------------------------------------------------------------ fixed prices


@given(used=usages(), sent=st.integers(0, 10**13), said=st.integers(0, 10**13))
def test_an_override_costs_its_exact_sum_rounded_once_half_to_even(used, sent, said):
    override = PriceOverride(Decimal(sent) / 10**9, Decimal(said) / 10**9)
    pricer = book().pricer("anthropic", "anything", override, local=False)
    dollars = Decimal(used.input_tokens) * sent + Decimal(used.output_tokens) * said
    assert pricer.cost(used, 9.0, NOW) == from_usd(dollars / 10**6 / 10**9)
    assert pricer.cost(used, 9.0, NOW) <= pricer.worst_cost(used.input_tokens, used.output_tokens)


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_rounding_is_that_of_the_decimal_module(dividend, divisor):
    assert half_even(dividend, divisor) == round(Decimal(dividend) / divisor)


def test_a_local_tier_costs_nothing_and_says_why():
    pricer = book().pricer(None, "llama3.1:8b", None, local=True)
    assert pricer.price.source == "local"
    assert pricer.cost(usage(10_000, 10_000), 60.0, NOW) == 0
    assert pricer.worst_cost(10_000, 10_000, 60.0) == 0


def test_a_local_second_may_have_a_price():
    override = PriceOverride.free(usd_per_second="0.000025")
    pricer = book().pricer(None, "llama3.1:8b", override, local=True)
    assert pricer.cost(usage(10_000, 10_000), 10.0, NOW) == from_usd("0.00025")
    assert pricer.worst_cost(1, 1, seconds=10.0) == from_usd("0.00025")
    assert pricer.price.source == "configured"


def test_free_is_the_operators_word_and_recorded_as_such():
    pricer = book().pricer("openai", "my-own-model", PriceOverride.free(), local=False)
    assert pricer.price.source == "configured as free"
    assert pricer.cost(usage(10, 10), 1.0, NOW) == 0


def test_the_advice_for_a_missing_price_is_what_the_configuration_takes():
    with pytest.raises(ConfigError) as caught:
        book().pricer("openai", "my-own-model", None, local=False)
    priced, free = re.findall(r"`(.*?)`", caught.value.problems[0].fix)
    for line in (priced, free):
        told = tomllib.loads(f'provider = "openai"\n{line}', parse_float=Decimal)
        assert TierTable.model_validate(told).price is not None


# ------------------------------------------------------------------ names from callers


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("claude-haiku-5-5", True),
        ("gpt-6-luna", True),
        ("CLAUDE-HAIKU-5-5", True),
        ("rung", False),
        ("", False),
        ("../../etc/passwd", False),
        ("claude-haiku-5-5" + "x" * 10_000, False),
        ("\ud800\x00\n", False),
    ],
)
def test_a_callers_model_is_known_only_with_a_price(name, known):
    assert (book().requested(name) is not None) is known


def test_names_from_callers_never_fill_the_memory():
    prices = book()
    missed = get_snapshot()._provider_misses
    before = len(missed)
    for number in range(REMEMBERED_NAMES + 50):
        assert prices.requested(f"zz-{number}") is None
    assert prices._requested.cache_info().currsize == REMEMBERED_NAMES
    assert len(missed) == before


def test_the_list_is_not_imported_before_it_is_needed():
    code = (
        "import sys, datetime, rung.pricing as p;"
        "b = p.PriceBook(now=lambda: datetime.datetime.now(datetime.UTC));"
        "b.pricer(None, 'llama3.1:8b', None, True);"
        "sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
