"""The statements of prices; see `statements` for how they are compiled."""

from __future__ import annotations

from sqlalchemy import ClauseElement, String, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from rung.ledger.account_tables import prices
from rung.ledger.dialects import each_text
from rung.ledger.tables import attempts


def of_prices() -> dict[str, ClauseElement]:
    """All of them by name.

    A price is noted when it is first used; attempts name it by its id. Those of older versions have
    it themselves.
    """
    given = insert(prices).values({column.name: bindparam(column.name) for column in prices.c})
    ids = select(each_text(bindparam("ids", type_=String)).column_valued("value"))
    told = func.coalesce(prices.c.price_json, attempts.c.price_json).label("price_json")
    columns = [told if column.name == "price_json" else column for column in attempts.c]
    of = attempts.outerjoin(prices, prices.c.id == attempts.c.price_id)
    return {
        "note price": given.on_conflict_do_nothing(index_elements=[prices.c.id]),
        "attempts of": select(*columns)
        .select_from(of)
        .where(attempts.c.request_id.in_(ids))
        .order_by(*attempts.primary_key),
    }
