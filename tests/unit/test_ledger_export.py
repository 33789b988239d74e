"""`rung ledger export`: every row once, typed, in any format, and no cell that does harm."""

import csv
import gzip
import io
import json
from dataclasses import replace
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.cli import ledger_export
from rung.cli.ledger_export import export
from rung.core.errors import RequestError
from rung.core.types import Directions, Price
from rung.ledger import Ledger
from rung.ledger.calls import Span, billed_calls
from rung.ledger.export_formats import csv_lines, harmless, json_lines
from rung.ledger.exporting import Exported, Kind, Shape, rows, shape
from rung.ledger.tables import metadata
from support.outcomes import outcome

START = 1_700_000_000.0
ALL = Span()
HOSTILE = '=HYPERLINK("http://x"),+1;@a\n-2'


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        for number in range(7):
            opened.append_now(made(number))
        yield opened


def made(number):
    one = outcome(f"req-{number}", started_unix=START + number // 2)
    attempt = replace(one.attempts[0], price=Price("list", 1, 2), local=number % 2 == 0)
    other = replace(attempt, id=f"req-{number}.1", cost_nanousd=10**9 + number)
    asked = Directions(project=HOSTILE if number == 3 else None)
    request = replace(one.request, directions=asked)
    return replace(one, attempts=(attempt, other), request=request)


def all_of(ledger, table, span=ALL, page=3):
    with ledger.reading() as connection:
        return [
            dict(zip(shape(table).columns, row, strict=True))
            for row in rows(connection, table, span, page)
        ]


# ------------------------------------------------------------------ the rows


@pytest.mark.parametrize("table", Exported)
def test_every_row_comes_once_in_order_whatever_the_page(ledger, table):
    whole = all_of(ledger, table, page=1000)
    assert all_of(ledger, table, page=1) == whole
    assert all_of(ledger, table, page=len(whole) or 1) == whole
    counts = {"calls": 14, "attempts": 14, "verdicts": 14, "labels": 0, "prices": 1}
    assert len(whole) == counts.get(table.value, 7)
    if "started_unix" in shape(table).columns:
        moments = [row["started_unix"] for row in whole]
        assert moments == sorted(moments)


def test_values_have_the_types_that_are_told(ledger):
    row = all_of(ledger, Exported.CALLS)[1]
    assert (row["cost_nanousd"], row["cost_usd"]) == (10**9, "1.000000000")
    assert row["started_utc"] == "2023-11-14T22:13:20.000000Z"
    assert (row["served"], row["local"], row["verified"]) == (False, True, True)
    assert (row["first_token_seconds"], row["project"]) == (None, None)
    python = {Kind.TEXT: str, Kind.WHOLE: int, Kind.REAL: float, Kind.BOOLEAN: bool}
    for name, kind in shape(Exported.CALLS).columns.items():
        assert row[name] is None or type(row[name]) is python.get(kind, str)


def test_a_span_is_of_when_requests_began(ledger):
    span = Span(START + 1, START + 2)
    assert {row["request_id"] for row in all_of(ledger, Exported.CALLS, span)} == {"req-2", "req-3"}
    assert len(all_of(ledger, Exported.VERDICTS, span)) == 4
    with ledger.reading() as connection:
        assert len(list(billed_calls(connection, span))) == 4


def test_what_must_stay_is_in_no_table_that_is_exported():
    kept = {"keys", "bodies", "inbox", "closings", "once", "holds"}
    assert kept <= set(metadata.tables)
    assert kept.isdisjoint(Exported)
    columns = {name for table in Exported for name in shape(table).columns}
    assert not {name for name in columns if "secret" in name or name in {"body", "text"}}


# ------------------------------------------------------------------ formats

SHAPE = Shape(Exported.CALLS, {"a": Kind.TEXT, "n": Kind.WHOLE, "b": Kind.BOOLEAN, "x": Kind.REAL})
TEXTS = st.text() | st.text(st.sampled_from("=+-@ ;\t\r\n,\"'aZ0\uff1d"))
ROWS = st.lists(
    st.tuples(
        st.none() | TEXTS,
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False),
    ).map(list)
)


@given(ROWS)
def test_json_lines_give_the_rows_back(drawn):
    text = b"".join(json_lines(SHAPE, drawn)).decode()
    names = list(SHAPE.columns)
    assert [json.loads(line) for line in text.split("\n")[:-1]] == [
        dict(zip(names, row, strict=True)) for row in drawn
    ]


@given(ROWS)
def test_no_cell_of_a_csv_begins_a_formula_however_it_is_parted(drawn):
    text = b"".join(csv_lines(SHAPE, [list(row) for row in drawn])).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert len(read) == len(drawn) + 1
    for cells, row in zip(read[1:], drawn, strict=True):
        assert cells[1] == str(row[1])
        for part in cells[0].replace("\r", "\n").replace(";", "\n").replace("\t", "\n").split("\n"):
            assert part.strip()[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20")


@given(TEXTS)
def test_a_text_that_is_harmless_stays_as_it_is(text):
    assert harmless("a" + text.replace(";", "").translate(dict.fromkeys(range(32)))) == "a" + (
        text.replace(";", "").translate(dict.fromkeys(range(32)))
    )
    assert harmless(text).replace("'", "") == text.replace("'", "")


# ------------------------------------------------------------------ the command


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / "rung.toml").write_text(
        'ledger = "l.db"\n[tiers.tiny]\nprovider = "embedded"\n[ladders.default]\n'
        'tiers = ["tiny"]\n'
    )
    with Ledger.open(tmp_path / "l.db") as ledger:
        for number in range(5):
            ledger.append_now(made(number))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "rung.toml"


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.csv", "c.csv.gz", "c.parquet"])
def test_duckdb_reads_every_format_in_one_line(config, name):
    out = config.parent / name
    export(out, path=config)
    counted = duckdb.sql(f"SELECT count(*), sum(cost_nanousd) FROM '{out}'").fetchall()
    assert counted == [(10, 5 * (10**9 + 100) + 10)]
    assert out.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in config.parent.iterdir() if name in path.name} == {name}


def test_parquet_has_types_and_exact_dollars(config):
    out = config.parent / "c.parquet"
    export(out, path=config)
    told = duckdb.sql(
        f"SELECT typeof(started_utc), typeof(served), sum(cost_usd) FROM '{out}' GROUP BY ALL"
    ).fetchall()
    assert told == [("TIMESTAMP WITH TIME ZONE", "BOOLEAN", Decimal("5.000000510"))]
    named = duckdb.sql(f"SELECT DISTINCT project FROM '{out}' WHERE project <> ''").fetchall()
    assert named == [(HOSTILE,)]


def test_rows_go_to_standard_output_without_a_file(config, capsysbinary):
    export(table=Exported.REQUESTS, path=config)
    lines = capsysbinary.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"req-{number}" for number in range(5)]


def test_what_was_written_is_told(config, capsys):
    export(config.parent / "c.csv.gz", path=config, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["table"], told["format"]) == (10, "calls", "csv")
    with gzip.open(told["file"], "rt", newline="") as stream:
        assert len(list(csv.reader(stream))) == 11


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"out": "l.db"}, "which format"),
        ({"out": "there.csv"}, "is there already"),
        ({"out": "none/c.csv"}, "cannot be written"),
        ({"out": "c.parquet.gz"}, "packed already"),
        ({"format": ledger_export.Format.PARQUET}, "needs a file"),
        ({"json": True}, "standard output"),
        ({"since": "soon"}, "no time"),
    ],
)
def test_what_cannot_be_exported_is_refused(config, given, said):
    (config.parent / "there.csv").write_text("x")
    out = config.parent / given["out"] if "out" in given else None
    others = {name: value for name, value in given.items() if name != "out"}
    with pytest.raises(RequestError, match=said):
        export(out, **others, path=config)
    assert (config.parent / "there.csv").read_text() == "x"


def test_a_file_that_is_there_is_written_over_when_told_to(config):
    out = config.parent / "c.csv"
    out.write_text("x")
    export(out, force=True, path=config)
    assert out.read_text().startswith("id,request_id")


def test_a_write_that_fails_leaves_neither_a_part_nor_a_changed_file(config, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger_export, "_stream", full)
    out = config.parent / "c.csv"
    out.write_text("x")
    with pytest.raises(RequestError, match="No space left"):
        export(out, force=True, path=config)
    assert out.read_text() == "x"
    assert not [path for path in config.parent.iterdir() if "part" in path.name]
