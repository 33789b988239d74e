"""Is the answer the JSON that a schema asks for?

JSON Schema in full, drafts 4 to 2020-12, `format` included, references inside the document only.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rung.core.growth import Delta
from rung.core.types import Need, Request
from rung.core.verdicts import Trust, Weight
from rung.verifiers import schema_check, strict_json
from rung.verifiers.base import (
    Finding,
    Subject,
    Watch,
    abstained,
    failed,
    nothing_to_judge,
    passed,
    shown,
)
from rung.verifiers.json_prefix import JsonPrefix
from rung.verifiers.schema_check import DEEPEST_SCHEMA, TIMEOUT_SECONDS, Compiled, Judged
from rung.verifiers.schema_document import refused


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """Passes an answer whose text is one JSON value that satisfies the schema.

    An answer that only calls tools passes without a proof: a schema promises the form of text.
    """

    compiled: Compiled | None = field(default=None, repr=False)
    name: str = "json_schema"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = TIMEOUT_SECONDS
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Parse, then validate."""
        text = subject.answer.text
        if subject.answer.tool_calls and not text.strip():
            if Need.TOOLS in subject.request.needs:
                return nothing_to_judge("the answer is a tool call; the schema is for text")
            return failed("the answer is a tool call, and no tool was offered")
        if len(text) > strict_json.LONGEST:
            return abstained(f"the answer has {len(text):,} characters, too many to check")
        try:
            value = strict_json.parse(text)
        except strict_json.NotJsonError as error:
            return failed(str(error))
        if self.compiled is None:
            return _any_object(value)
        judged = schema_check.judged_here(self.compiled, text, value)
        return _in_child(self, text) if judged is None else _finding(judged)

    def watch(self, request: Request) -> Watch | None:
        """Follow the text as far as it is JSON."""
        if Need.TOOLS in request.needs:
            return None  # small models write tool calls as text, which are none once understood
        return _TextWatch(JsonPrefix(object_only=self.compiled is None))


def json_schema(
    schema: Mapping[str, Any] | bool | None,
    *,
    name: str = "json_schema",
    weight: Weight = Weight.REQUIRED,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> JsonSchema:
    """The check for ``schema``; ``None`` asks for any JSON object.

    Raises RequestError, naming the place inside the schema, where it is no schema, is too large, or
    refers to another document.
    """
    compiled = None if schema is None else schema_check.compiled(_text(schema))
    return JsonSchema(compiled, name, weight, Trust.DATA, timeout_seconds)


def _text(schema: Mapping[str, Any] | bool) -> str:
    """The schema as JSON text, the key of the cache."""
    if not isinstance(schema, Mapping | bool):
        raise refused(f"a schema is an object or a boolean, not {type(schema).__name__}")
    try:
        return json.dumps(schema, allow_nan=False, separators=(",", ":"), default=_plain)
    except RecursionError as error:
        raise refused(f"it is nested more than {DEEPEST_SCHEMA} levels deep") from error
    except (TypeError, ValueError) as error:
        raise refused(f"it is not JSON: {shown(str(error), 100)}") from error


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


# ------------------------------------------------------------------ answers


def _any_object(value: Any) -> Finding:
    if isinstance(value, dict):
        return passed("the answer is a JSON object")
    return failed(f"the answer is {strict_json.kind_of(value)}, not a JSON object")


async def _in_child(check: JsonSchema, text: str) -> Finding:
    assert check.compiled is not None
    return _finding(await schema_check.judged_in_child(check.compiled, text, check.timeout_seconds))


def _finding(judged: Judged) -> Finding:
    if judged.valid is None:
        return abstained(judged.unknown)
    if judged.valid:
        return passed("the answer satisfies the schema")
    if not judged.faults:
        return failed("the answer does not satisfy the schema; its faults are too many to list")
    return failed("the answer does not satisfy the schema: " + "; ".join(judged.faults))


@dataclass(frozen=True, slots=True)
class _TextWatch:
    """Dooms an answer whose text cannot become JSON any more."""

    prefix: JsonPrefix

    def grow(self, delta: Delta) -> str | None:
        fault = self.prefix.feed(delta.text)
        return None if fault is None else f"the answer is not JSON: {fault}"
