"""Other prices for recorded outcomes: those of a file, or those of the list that comes along."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rung.config import problem
from rung.core.errors import RequestError
from rung.core.money import MTOK, from_usd
from rung.core.nearest import closest
from rung.file_tables import PriceTable
from rung.pricing.fixed import DEAREST_USD_PER_MTOK
from rung.tuner.outcomes import Floats, Outcomes

LONGEST_FILE: Final = 16 * 1024**2
MOST_TOLD: Final = 8
EXAMPLE: Final = 'models."gpt-5" = { input = 1.25, output = 10, cached = 0.125 }'

_INPUT: Final = "input_usd_per_mtok"
_OUTPUT: Final = "output_usd_per_mtok"
_CACHED: Final = "cache_read_usd_per_mtok"

Marks = NDArray[np.bool_]


def _no_truth_value(given: object) -> object:
    if isinstance(given, bool):
        raise ValueError("should be an amount of US dollars")  # noqa: TRY004 pydantic tells these
    return given


Usd = Annotated[
    Decimal,
    BeforeValidator(_no_truth_value),
    Field(ge=0, le=DEAREST_USD_PER_MTOK, allow_inf_nan=False),
]


class _Entry(BaseModel):
    """The price of a model: US dollars per million tokens, with the names of rung.toml or short."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Usd = Field(validation_alias=AliasChoices("input", _INPUT))
    output: Usd = Field(validation_alias=AliasChoices("output", _OUTPUT))
    cached: Usd | None = Field(None, validation_alias=AliasChoices("cached", _CACHED))


class _Entries(BaseModel):
    models: dict[str, _Entry | Literal["free"]] = Field(min_length=1)


def repriced(outcomes: Outcomes, prices_file: Path) -> Outcomes:
    """The same with the costs that its tokens have by the prices of a file, TOML or JSON.

    The file has a table ``models`` with ``input``, ``output`` and perhaps ``cached`` for each of
    the models, in US dollars per million tokens, or "free". Raises RequestError for a model without
    a price, an outcome without tokens, and for what is no price.
    """
    prices = _read(prices_file)
    missing = [model for model in outcomes.models if model not in prices]
    if missing:
        near = closest(missing[0], prices)
        fix = f"add {EXAMPLE}" + (f"; the file has {near!r}" if near else "")
        raise RequestError(f"{prices_file} has no price of {_some(missing)}.", fix=fix)
    observed = _observed(outcomes)
    cost = np.full(outcomes.cost.shape, np.nan)
    for column, model in enumerate(outcomes.models):
        price = prices[model]
        rows = observed[:, column]
        if isinstance(price, _Entry):
            cost[rows, column] = _cost(_tokens(outcomes, column, rows, prices_file), price)
        else:
            cost[rows, column] = 0.0
    return replace(outcomes, cost=cost)


def _observed(outcomes: Outcomes) -> Marks:
    known: Marks = ~np.isnan(outcomes.correct) | ~np.isnan(outcomes.cost)
    return known


def _some(models: Sequence[str]) -> str:
    more = f" and {len(models) - MOST_TOLD} more" if len(models) > MOST_TOLD else ""
    return ", ".join(repr(model) for model in models[:MOST_TOLD]) + more


# ------------------------------------------------------------------ tokens times prices


def _tokens(outcomes: Outcomes, column: int, rows: Marks, file: Path) -> Floats:
    """Tokens in, out and cached (3 x n). Raises RequestError where the first two are not known."""
    if outcomes.tokens_in is None or outcomes.tokens_out is None:
        said = f"the prices of {file} are of tokens, and the outcomes have no tokens."
        raise RequestError(said, fix="add the columns `tokens_in` and `tokens_out`")
    found = _counts(outcomes, column, rows)
    gaps = np.isnan(found[:2]).any(axis=0)
    if gaps.any():
        model, query = outcomes.models[column], outcomes.queries[np.flatnonzero(rows)[gaps][0]]
        raise RequestError(
            f"{int(gaps.sum())} of {gaps.size} outcomes of {model!r} have no tokens, "
            f"{query!r} among them.",
            fix="give `tokens_in` and `tokens_out`, or leave the model out: --models",
        )
    return found


def _counts(outcomes: Outcomes, column: int, rows: Marks) -> Floats:
    unknown = np.full(outcomes.cost.shape, np.nan)
    arrays = (outcomes.tokens_in, outcomes.tokens_out, outcomes.tokens_cached)
    sent, said, cached = ((unknown if array is None else array)[rows, column] for array in arrays)
    return np.stack([sent, said, np.minimum(np.nan_to_num(cached), sent)])


def _cost(tokens: Floats, price: _Entry) -> Floats:
    """Nano-dollars, whole ones: as a call is billed."""
    sent, said, cached = tokens
    cheaper = price.input if price.cached is None else price.cached
    amounts = (sent - cached) * from_usd(price.input)
    amounts += cached * from_usd(cheaper) + said * from_usd(price.output)
    cost: Floats = np.rint(amounts / MTOK)
    return cost


# ------------------------------------------------------------------ the file


def _read(file: Path) -> Mapping[str, _Entry | Literal["free"]]:
    found = _parsed(file)
    tables = [found[name] for name in ("models", "tiers") if name in found] or [found]
    if tables != [found] and len(tables) < len(found):
        odd = next(name for name in found if name not in {"models", "tiers"})
        raise RequestError(f"{file}: there is no such key as {odd!r}.", fix=EXAMPLE)
    merged: dict[Any, Any] = {}
    for table in tables:
        if not isinstance(table, dict):
            raise RequestError(f"{file}: `models` has to be a table.", fix=EXAMPLE)
        merged |= {name: _ours(price) for name, price in table.items()}
    try:
        return _Entries.model_validate({"models": merged}).models
    except ValidationError as error:
        told = [str(problem(each)) for each in error.errors(include_url=False)]
        raise RequestError(f"{file}: {' '.join(told[:MOST_TOLD])}", fix=EXAMPLE) from None


def _ours(price: Any) -> Any:
    """A price without what outcomes do not count: what is written to caches, pictures, searches."""
    if not isinstance(price, dict):
        return price
    beyond = PriceTable.model_fields.keys() - {_INPUT, _OUTPUT, _CACHED}
    return {name: value for name, value in price.items() if name not in beyond}


def _parsed(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LONGEST_FILE + 1)
        if len(raw) > LONGEST_FILE:
            raise RequestError(f"{file} is longer than {LONGEST_FILE} bytes.", fix=EXAMPLE)
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RequestError(f"{file} is not UTF-8.", fix="save it as UTF-8") from None
    except OSError as error:
        raise RequestError(f"{file}: {error.strerror or error}.") from None
    as_json = text.lstrip().startswith("{")
    try:
        if as_json:
            found = json.loads(text, parse_float=Decimal, parse_constant=Decimal)
        else:
            found = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if as_json else "TOML"
        raise RequestError(f"{file} is not {kind}: {error}.", fix=EXAMPLE) from None
    return dict(found)
