"""Chat Completions' ``response_format``: the schema that the caller's own request asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from rung.core.errors import RequestError
from rung.core.types import SchemaRequest
from rung.wire.jsontext import Field

_PARAM = "response_format"
_SCHEMA_PARAM = "response_format.json_schema.schema"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
_NAME = re.compile(r"[^A-Za-z0-9_-]")
_NAME_CHARACTERS = 64


def schema_request(found: Mapping[str, Field]) -> SchemaRequest | None:
    """The schema of ``response_format``, ``None`` when the answer may be any text.

    Raises RequestError for a format or a schema that is none.
    """
    if _PARAM not in found:
        return None
    try:
        told = msgspec.json.decode(found[_PARAM].value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"'{_PARAM}' cannot be read: {error}.", param=_PARAM) from None
    if told is None:
        return None
    if not isinstance(told, dict):
        raise RequestError(f"'{_PARAM}' must be an object.", param=_PARAM)
    match told.get("type"):
        case "text":
            return None
        case "json_object":
            return _json_object(told)
        case "json_schema":
            return _json_schema(told.get("json_schema"))
        case _:
            raise RequestError(
                f"'{_PARAM}.type' must be text, json_object or json_schema.", param=f"{_PARAM}.type"
            )


def response_format(schema: SchemaRequest) -> dict[str, Any] | None:
    """The ``response_format`` for ``schema``; ``None`` where the dialect cannot say it."""
    if schema.schema is None:
        return {"type": "json_object"}
    if isinstance(schema.schema, bool):
        return None
    name = _NAME.sub("_", schema.name)[:_NAME_CHARACTERS] or "answer"
    wanted = {"name": name, "schema": dict(schema.schema), "strict": schema.strict}
    return {"type": "json_schema", "json_schema": wanted}


def outside_reference(schema: Any) -> str | None:
    """The first reference that leads out of a schema (``http:``, ``file:``), if there is one.

    A reference to an identifier that the schema itself declares stays inside.
    """
    told = list(_objects(schema))
    own = {one["$id"].rstrip("#") for one in told if isinstance(one.get("$id"), str)}
    for one in told:
        for key in _REFERENCES:
            target = one.get(key)
            if (
                isinstance(target, str)
                and _SCHEME.match(target)
                and target.partition("#")[0] not in own
            ):
                return target
    return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _json_object(told: Mapping[str, Any]) -> SchemaRequest:
    # llama.cpp and Together take a schema beside the type.
    schema = told.get("schema")
    if schema is None:
        return SchemaRequest(None)
    return SchemaRequest(_checked(schema, f"{_PARAM}.schema"))


def _json_schema(told: Any) -> SchemaRequest:
    if not isinstance(told, dict):
        param = f"{_PARAM}.json_schema"
        raise RequestError(f"'{param}' must be an object.", param=param)
    schema = _checked(told.get("schema"), _SCHEMA_PARAM)
    name = told.get("name")
    return SchemaRequest(
        schema, name if isinstance(name, str) else "answer", told.get("strict") is True
    )


def _checked(schema: Any, param: str) -> dict[str, Any] | bool:
    if not isinstance(schema, dict | bool):
        raise RequestError(f"'{param}' must be an object, true or false.", param=param)
    if outside_reference(schema) is not None:
        raise RequestError(
            f"'{param}' refers to a schema outside of the request, which is never fetched.",
            param=param,
        )
    return schema
