"""What the two databases say differently, as elements that SQLAlchemy compiles for either."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Float, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import functions
from sqlalchemy.sql.compiler import SQLCompiler


class each_text(functions.GenericFunction[str]):  # noqa: N801 named as functions of SQL are
    """The texts of a JSON list, a row each; to be used as a table of one column."""

    type = String()
    inherit_cache = True


@compiles(each_text, "sqlite")
def _each_text_sqlite(element: each_text, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(each_text, "postgresql")
def _each_text_postgres(element: each_text, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_array_elements_text(({compiler.process(element.clauses, **kw)})::json)"


class json_whole(functions.GenericFunction[int]):  # noqa: N801 as above
    """A whole number of a JSON object by its key; NULL where there is none."""

    type = BigInteger()
    inherit_cache = True


@compiles(json_whole, "sqlite")
def _json_whole_sqlite(element: json_whole, compiler: SQLCompiler, **kw: Any) -> str:
    document, key = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"json_extract({document}, '$.' || {key})"


@compiles(json_whole, "postgresql")
def _json_whole_postgres(element: json_whole, compiler: SQLCompiler, **kw: Any) -> str:
    document, key = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(({document})::json ->> {key})::bigint"


class pairs(functions.GenericFunction[Any]):  # noqa: N801 as above
    """The keys and texts of a JSON object, a row each."""

    inherit_cache = True


@compiles(pairs, "sqlite")
def _pairs_sqlite(element: pairs, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(pairs, "postgresql")
def _pairs_postgres(element: pairs, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each_text(({compiler.process(element.clauses, **kw)})::json)"


class whole_hours(functions.GenericFunction[int]):  # noqa: N801 as above
    """Whole hours since 1970 of a number of seconds since then."""

    type = BigInteger()
    inherit_cache = True


@compiles(whole_hours, "sqlite")
def _whole_hours_sqlite(element: whole_hours, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} / 3600 AS INTEGER)"


@compiles(whole_hours, "postgresql")
def _whole_hours_postgres(element: whole_hours, compiler: SQLCompiler, **kw: Any) -> str:
    return f"floor({compiler.process(element.clauses, **kw)} / 3600)::bigint"


class microseconds(functions.GenericFunction[int]):  # noqa: N801 as above
    """Seconds as whole microseconds, from none to three years of them."""

    type = BigInteger()
    inherit_cache = True


@compiles(microseconds, "sqlite")
def _microseconds_sqlite(element: microseconds, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"CAST(min(max({seconds}, 0.0), 1e8) * 1e6 + 0.5 AS INTEGER)"


@compiles(microseconds, "postgresql")
def _microseconds_postgres(element: microseconds, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"floor(least(greatest({seconds}, 0.0), 1e8) * 1e6 + 0.5)::bigint"


class whole_days(functions.GenericFunction[int]):  # noqa: N801 as above
    """Whole days since 1970 of a number of seconds since then."""

    type = BigInteger()
    inherit_cache = True


@compiles(whole_days, "sqlite")
def _whole_days_sqlite(element: whole_days, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} / 86400 AS INTEGER)"


@compiles(whole_days, "postgresql")
def _whole_days_postgres(element: whole_days, compiler: SQLCompiler, **kw: Any) -> str:
    return f"floor({compiler.process(element.clauses, **kw)} / 86400)::bigint"


class now_unix(functions.GenericFunction[float]):  # noqa: N801 as above
    """The seconds since 1970 by the database's own clock."""

    type = Float()
    inherit_cache = True


@compiles(now_unix, "sqlite")
def _now_unix_sqlite(element: now_unix, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now_unix, "postgresql")
def _now_unix_postgres(element: now_unix, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001
    return "extract(epoch FROM clock_timestamp())::float8"


class money_lock(functions.GenericFunction[Any]):  # noqa: N801 as above
    """Waits until no other process counts money, to the transaction's end. SQLite's own lock is."""

    inherit_cache = True


@compiles(money_lock, "sqlite")
def _money_lock_sqlite(element: money_lock, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001 the signature
    return "0"


@compiles(money_lock, "postgresql")
def _money_lock_postgres(element: money_lock, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001 as above
    return "pg_advisory_xact_lock(7226738102)"


class table_bytes(functions.GenericFunction[int]):  # noqa: N801 as above
    """What all tables of the ledger take on the disk, their indexes and large values included."""

    type = BigInteger()
    inherit_cache = True


@compiles(table_bytes, "sqlite")
def _table_bytes_sqlite(element: table_bytes, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001 as above
    return "(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)"


@compiles(table_bytes, "postgresql")
def _table_bytes_postgres(element: table_bytes, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001 as above
    return (
        "(SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
        " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace)"
    )


class request_bytes(functions.GenericFunction[int]):  # noqa: N801 as above
    """What a request takes with all that goes with it, and its share of indexes, by the newest."""

    type = BigInteger()
    inherit_cache = True


@compiles(request_bytes, "sqlite")
def _request_bytes_sqlite(element: Any, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001 as above
    return "0"


@compiles(request_bytes, "postgresql")
def _request_bytes(element: Any, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001 as above
    keys = {"requests": "id"}
    keys |= dict.fromkeys(("attempts", "verdicts", "baselines", "bodies"), "request_id")
    newest = "SELECT id FROM requests ORDER BY started_unix DESC LIMIT 500"
    # A row has 8 bytes beside its own on a page, and a page is some 4% empty.
    sizes = (
        f"(SELECT coalesce(sum(pg_column_size(t.*) + 8), 0) FROM {name} t"  # noqa: S608 constants
        f" WHERE {key} IN ({newest}))"
        for name, key in keys.items()
    )
    whole, heaps = (
        " + ".join(f"{size}('{name}')" for name in keys)
        for size in ("pg_total_relation_size", "pg_table_size")
    )
    rows, count = " + ".join(sizes), f"(SELECT count(*) FROM ({newest}) n)"  # noqa: S608 constants
    per_row = f"1.04 * ({rows}) / greatest({count}, 1)"
    return f"({per_row} * ({whole})::float8 / greatest({heaps}, 1))::bigint"
