"""Outcomes as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Final

from msgspec import ValidationError
from msgspec.json import Decoder

from rung.core.errors import RequestError
from rung.outcome_rows.row import COLUMNS, EXAMPLE, Row, fault, must

_DECODE: Final = Decoder(Row).decode
_AN_OBJECT: Final = f"one object a line, as in {EXAMPLE}"
_A_LIST: Final = "one object a line: jq -c '.[]' FILE writes a list as lines"


def json_rows(lines: Iterable[bytes], file: Path) -> Iterator[tuple[int, Row]]:
    """A row of each line that is not blank, with the line's number."""
    for number, line in enumerate(lines, 1):
        try:
            yield number, _DECODE(line)
        except ValidationError as error:
            raise _fault(error, line, f"{file.name}, line {number}") from None
        except (ValueError, RecursionError):
            if line.strip():
                yield number, _mended(line, f"{file.name}, line {number}")


def _fault(error: ValidationError, line: bytes, place: str) -> RequestError:
    if line.lstrip().startswith(b"["):
        return RequestError(f"{place} is no JSON object but a list.", fix=_A_LIST)
    return fault(error, place)


def _mended(line: bytes, place: str) -> Row:
    """What the fast decoder refused: told in words, or read where only what Python writes is wrong.

    That is NaN in a column that is not ours, and a half of a surrogate pair, as of a prompt that
    was cut in two: JSON can hold it and UTF-8 cannot. It is read as a question mark.
    """
    try:
        value = json.loads(line.decode())
        if isinstance(value, dict):
            value = {name: each for name, each in value.items() if name in COLUMNS}
            _finite(value, place)
        return _DECODE(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except ValidationError as error:
        raise _fault(error, line, place) from None
    except UnicodeDecodeError:
        raise RequestError(f"{place} is not UTF-8.", fix="save the file as UTF-8") from None
    except RecursionError:
        raise RequestError(f"{place} is nested too deep.", fix=_AN_OBJECT) from None
    except ValueError as error:
        why = str(error)
        if isinstance(error, json.JSONDecodeError):
            why = f"{error.msg} (column {error.colno})"
        fix = _A_LIST if line.lstrip().startswith(b"[") else _AN_OBJECT
        raise RequestError(f"{place} is not JSON: {why}.", fix=fix) from None


def _finite(found: Mapping[str, object], place: str) -> None:
    for name, value in found.items():
        if isinstance(value, float) and not isfinite(value):
            fix = "null where a value is not known"
            raise RequestError(f"{place}: `{name}` {must(name)}, not {value}.", param=name, fix=fix)
