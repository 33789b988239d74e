"""Kept sums: whatever happens in whatever order, they are those of the rows."""

import threading
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core import buckets
from rung.core.labels import Closing, InboxState
from rung.core.stats import quantile
from rung.ledger import Ledger, checking, retention, room, spans, summing
from rung.ledger.bill import BillBy, bill
from rung.ledger.codec import encode
from rung.ledger.writer import append
from support.outcomes import books, outcome

SPLITS = (None, *BillBy)


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def summed(ledger, most=1000):
    with ledger.writing() as connection:
        return summing.sum_up(connection, most)


def both(ledger, **asked):
    """The bill from the rows, and the one from the sums, which must not differ."""
    exact = bill(ledger, **asked)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(spans, "FEW", -1)
        kept = bill(ledger, **asked)
    return without_quantiles(exact), without_quantiles(kept)


def without_quantiles(made):
    lines = tuple(
        replace(line, median_seconds=None, p90_seconds=None)
        if hasattr(line, "median_seconds")
        else line
        for line in made.lines
    )
    total = replace(made.total, median_seconds=None, p90_seconds=None)
    return replace(made, total=total, lines=lines)


def audits(draw_from, of):
    made = replace(draw_from, request=replace(draw_from.request, resend_of=None, audit_of=of))
    return replace(made, baselines={})


@given(made=books(8), data=st.data())
@settings(deadline=None, max_examples=12)
def test_sums_are_those_of_the_rows_whatever_comes_in_whatever_order(tmp_path_factory, made, data):
    names = [one.request.id for one in made]
    ledger = Ledger.open(tmp_path_factory.mktemp("sums") / "ledger.db")
    with ledger:
        for one in data.draw(st.permutations(made)):
            of = data.draw(st.none() | st.sampled_from(names))
            given = one if of is None or of == one.request.id else audits(one, of)
            ledger.append_now(given)
            if data.draw(st.booleans()):
                summed(ledger, data.draw(st.integers(1, 3)))
        for item in ledger.inbox_items():
            if data.draw(st.booleans()):
                closed = Closing(item.request_id, InboxState.ANSWERED, 1.0, text="42", by="ann")
                ledger.close_entry(closed)
        since = data.draw(st.none() | st.floats(0, 10 * 86_400))
        until = data.draw(st.none() | st.floats(0, 10 * 86_400))
        asked = {"since_unix": since, "until_unix": until, "by": data.draw(st.sampled_from(SPLITS))}
        exact, kept = both(ledger, **asked)
        assert exact == kept
        summed(ledger)
        assert both(ledger, **asked) == (exact, exact)


def faults(ledger):
    return {part.name: part.examples for part in checking.check(ledger) if not part.holds}


def mixed(count, *, days=3.0, named="req"):
    """Requests of several projects over days, some sent again, some looked at again."""
    made = []
    for n in range(count):
        name = f"{named}-{n:04d}"
        one = outcome(name, started_unix=n * days * 86_400 / count, seconds=0.01 * (n % 97 + 1))
        again = f"{named}-{n - 1:04d}" if n % 10 == 5 else None
        look = f"{named}-{n - 1:04d}" if n % 10 == 8 else None
        request = replace(one.request, resend_of=again, audit_of=look)
        directions = replace(request.directions, project=(None, "", "alpha")[n % 3])
        made.append(replace(one, request=replace(request, directions=directions)))
    return made


def append_all(ledger, made):
    for future in [ledger.enqueue(lambda c, o=one: append(c, [encode(o)])) for one in made]:
        future.result()


def test_the_bill_is_the_same_from_sums_and_from_rows(ledger):
    append_all(ledger, mixed(120))
    summed(ledger, 50)
    for by in (BillBy.PROJECT, BillBy.DAY, BillBy.TIER):
        for since, until in ((None, None), (5000.5, 100_000.5)):
            exact, kept = both(ledger, by=by, since_unix=since, until_unix=until)
            assert exact == kept
    summed(ledger)
    exact, kept = both(ledger, by=BillBy.PROJECT)
    assert [line.key for line in exact.lines] == [None, "", "alpha"]
    assert exact == kept
    assert not faults(ledger)


def test_several_that_sum_at_once_sum_everything_once(ledger):
    append_all(ledger, mixed(300))
    errors = []

    def work():
        try:
            while summed(ledger, 7):
                pass
        except Exception as error:  # noqa: BLE001 told below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while summed(ledger):
        pass
    assert not errors
    assert not faults(ledger)
    with ledger.reading() as connection:
        assert summing.unsummed(connection, 1000) == 0


def test_quantiles_from_sums_are_right_to_one_percent(ledger, monkeypatch):
    made = mixed(200)
    append_all(ledger, made)
    exact = bill(ledger).total
    summed(ledger)
    monkeypatch.setattr(spans, "FEW", -1)
    kept = bill(ledger).total
    assert kept.median_seconds == pytest.approx(exact.median_seconds, rel=0.01)
    assert kept.p90_seconds == pytest.approx(exact.p90_seconds, rel=0.01)


@given(st.integers(0, 10**14))
def test_a_bucket_stands_for_what_is_within_one_percent_of_it(microseconds):
    found = buckets.middle(buckets.bucket_of(microseconds))
    assert found * 1e6 == pytest.approx(microseconds, rel=0.0101, abs=0.01)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_buckets_keep_the_order_and_their_quantiles_are_near(values):
    counts = {}
    for value in values:
        bucket = buckets.bucket_of(value)
        counts[bucket] = counts.get(bucket, 0) + 1
    for tenths in (5, 9):
        exact = quantile([value / 1e6 for value in values], tenths / 10)
        assert buckets.quantile(counts, tenths) == pytest.approx(exact, rel=0.0101, abs=1e-8)
    ordered = sorted(values)
    assert [buckets.bucket_of(value) for value in ordered] == sorted(map(buckets.bucket_of, values))


# ------------------------------------------------------------------ check and mend


def test_sums_that_differ_are_found_and_made_anew(ledger):
    append_all(ledger, mixed(40))
    summed(ledger)
    with ledger.writing() as connection:
        connection.execute("UPDATE attempt_sums SET cost_nanousd = cost_nanousd + 1")
        connection.execute("DELETE FROM second_sums")
    (found,) = faults(ledger)
    assert found == "the bill's sums are those of the rows"
    assert checking.mend(ledger) == 40
    assert not faults(ledger)


@pytest.mark.parametrize(
    ("spoilt", "named"),
    [
        ("DELETE FROM attempts WHERE request_id = 'req-0000'", "every answer that was served"),
        ("UPDATE requests SET cost_nanousd = 7 WHERE id = 'req-0000'", "every request costs"),
    ],
)
def test_what_does_not_add_up_is_told_with_its_request(ledger, spoilt, named):
    append_all(ledger, mixed(3))
    with ledger.writing() as connection:
        connection.execute(spoilt)
    told = {name: examples for name, examples in faults(ledger).items() if name.startswith(named)}
    assert list(told.values()) == [("req-0000",)]


# ------------------------------------------------------------------ retention


def kept_names(ledger):
    with ledger.reading() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM requests ORDER BY id")]


def keeper(ledger, now, **limits):
    return retention.Retention(ledger, retention.Limits(**limits), "me", wall=lambda: now)


def test_the_bill_stays_true_when_old_rows_go(ledger, monkeypatch):
    append_all(ledger, mixed(100, days=4.0))
    monkeypatch.setattr(retention, "BATCH", 7)
    monkeypatch.setattr(spans, "FEW", -1)
    splits = (BillBy.DAY, BillBy.KEY, BillBy.TIER)
    before = [without_quantiles(bill(ledger, by=by)) for by in splits]
    gone = keeper(ledger, 4 * 86_400.0, days=2.0).look(60)
    assert 45 <= gone.requests <= 50
    assert not gone.more
    assert min(kept_names(ledger)) >= "req-0050"
    assert [without_quantiles(bill(ledger, by=by)) for by in splits] == before
    assert not faults(ledger)
    with ledger.reading() as connection:
        left = connection.execute("SELECT count(*) FROM attempts").fetchone()[0]
    assert left == len(kept_names(ledger))


def test_what_is_tied_together_goes_together(ledger):
    ledger.append_now(outcome("a", started_unix=100.0))
    late = outcome("b", started_unix=90_000.0)
    ledger.append_now(replace(late, request=replace(late.request, audit_of="a")))
    assert keeper(ledger, 90_000.0, days=0.5).look(60).requests == 0
    assert keeper(ledger, 200_000.0, days=0.5).look(60).requests == 2
    assert bill(ledger).total.beside.audited == 1


def test_what_a_human_has_yet_to_answer_stays_however_old(ledger):
    waiting = replace(outcome("a", started_unix=100.0), inbox=True)
    ledger.append_now(waiting)
    ledger.append_now(outcome("b", started_unix=200.0))
    assert keeper(ledger, 1e9, days=1.0).look(60).requests == 1
    assert kept_names(ledger) == ["a"]
    closed = Closing("a", InboxState.ANSWERED, 300.0, text="42", by="ann")
    ledger.close_entry(closed)
    assert keeper(ledger, 1e9, days=1.0).look(60).requests == 1
    total = bill(ledger).total
    assert (total.requests, total.inbox, total.by_human) == (2, 1, 1)
    assert not faults(ledger)


def test_one_process_alone_deletes_until_it_falls_silent(ledger, monkeypatch):
    append_all(ledger, mixed(10))
    first, second = (keeper(ledger, 1e9, days=1.0) for _ in range(2))
    second._process_id = "another"
    assert first.look(60).requests == 10
    append_all(ledger, mixed(10, named="more"))
    assert second.look(60).requests == 0
    monkeypatch.setattr(retention, "OWNED_SECONDS", -1.0)
    assert second.look(60).requests == 10


def test_a_file_is_held_below_its_size_and_shrinks(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        append_all(ledger, mixed(1500, days=0.2))
        summed(ledger, 2000)
        most = used(ledger) * 7 // 10
        gone = keeper(ledger, 1e9, max_bytes=most).look(60)
        assert 300 <= gone.requests <= 1000
        assert used(ledger) <= most
        with ledger.reading() as connection:
            found = room.room_of(connection, tmp_path / "ledger.db")
        assert found.shrinks
        assert (tmp_path / "ledger.db").stat().st_size <= most
        assert found.total_bytes - found.used_bytes <= 4096
        assert bill(ledger).total.requests == 1500 - 150 - 150
        assert not faults(ledger)


def test_on_postgres_a_size_is_held_and_no_more_is_deleted_for_room_that_is_used_again(
    postgres_ledger,
):
    with Ledger.open(postgres_ledger) as ledger:
        append_all(ledger, mixed(400, days=0.2))
        summed(ledger, 500)
        most = used(ledger) * 7 // 10
        assert most > 100_000
        assert keeper(ledger, 1e9, max_bytes=most).look(60).requests == 200
        assert used(ledger) <= most
        assert keeper(ledger, 1e9, max_bytes=most).look(60).requests == 0
        with closing(ledger.database.connect()) as connection:
            room.rewrite(connection, ledger.database.place)
        assert not faults(ledger)


def used(ledger):
    with ledger.reading() as connection:
        return room.room_of(connection, ledger.database.place).used_bytes
