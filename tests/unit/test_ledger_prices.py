"""A price is stored once, by an id that is the same everywhere; each call names the one it had."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from rung.core.types import Price, Usage, UsageSource
from rung.ledger import Ledger
from support.outcomes import outcome

OLD = Price("list 1 anthropic/one", 1_000, 5_000, 100)
NEW = replace(OLD, source="list 2 anthropic/one", output_nanousd_per_mtok=6_000)


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def priced(name, price, at=1_700_000_000.0):
    made = outcome(name, started_unix=at)
    attempt = replace(made.attempts[0], price=price)
    return replace(made, attempts=(attempt,))


def rows(ledger, text):
    with closing(sqlite3.connect(ledger.database.place)) as raw:
        return raw.execute(text).fetchall()


def test_many_calls_at_one_price_store_it_once(ledger):
    for number in range(5):
        ledger.append_now(priced(f"req-{number}", OLD, 1_700_000_000.0 + number))
    assert rows(
        ledger, "SELECT count(*), count(price_json), count(DISTINCT price_id) FROM attempts"
    ) == [(5, 0, 1)]
    ((price_id, source, first),) = rows(ledger, "SELECT id, source, first_unix FROM prices")
    assert (source, first) == (OLD.source, 1_700_000_000.0)
    assert rows(ledger, "SELECT DISTINCT price_id FROM attempts") == [(price_id,)]


def test_a_price_that_changes_is_another_one_and_calls_keep_theirs(ledger):
    ledger.append_now(priced("req-1", OLD))
    ledger.append_now(priced("req-2", NEW))
    assert [found.history[0].price for found in ledger.recent()] == [NEW, OLD]
    assert rows(ledger, "SELECT count(*) FROM prices") == [(2,)]


def test_equal_prices_have_one_id_in_every_ledger(tmp_path):
    ids = []
    for name in ("one", "two"):
        with Ledger.open(tmp_path / f"{name}.db") as ledger:
            ledger.append_now(priced("req-1", replace(OLD)))
            ids += rows(ledger, "SELECT id FROM prices")
    assert len(set(ids)) == 1


def test_calls_of_an_older_version_keep_the_price_in_their_own_row(ledger):
    ledger.append_now(priced("req-1", OLD))
    own = {"source": "list 0", "input_nanousd_per_mtok": 7, "output_nanousd_per_mtok": 8}
    with closing(sqlite3.connect(ledger.database.place)) as raw, raw:
        raw.execute("UPDATE attempts SET price_id = NULL, price_json = ?", (json.dumps(own),))
    assert ledger.find("req-1").history[0].price == Price("list 0", 7, 8)


def test_a_call_without_a_price_names_none(ledger):
    ledger.append_now(priced("req-1", None))
    assert ledger.find("req-1").history[0].price is None
    assert rows(ledger, "SELECT count(*) FROM prices") == [(0,)]


def test_all_counters_come_back_as_they_were_told(ledger):
    used = Usage(100, 50, 20, 10, 5, UsageSource.PROVIDER, 4, 30, 3, 7, 6, 2, 1)
    made = priced("req-1", OLD)
    made = replace(made, attempts=(replace(made.attempts[0], usage=used),))
    ledger.append_now(made)
    assert ledger.find("req-1").history[0].usage == used
    ((told,),) = rows(ledger, "SELECT more_counts_json FROM attempts")
    assert json.loads(told) == {
        "audio_tokens": 7,
        "audio_output_tokens": 6,
        "image_output_tokens": 2,
        "file_searches": 1,
    }


def test_counters_that_few_calls_have_take_no_room_in_the_others(ledger):
    ledger.append_now(priced("req-1", OLD))
    assert rows(ledger, "SELECT more_counts_json FROM attempts") == [(None,)]
