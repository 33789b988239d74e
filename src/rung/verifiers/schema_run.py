"""Validating one answer with jsonschema-rs, here or, run as a script, in a process of its own.

The library holds the interpreter's lock while it runs and cannot be interrupted. Work that might
be long is therefore done by this file as a child process, which can be killed. The child imports
nothing of rung: it gets one JSON object on standard input and writes lines: whether the answer is
valid, then a list of faults, then a longer one.
"""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jsonschema_rs

MOST_FAULTS = 3
MEMORY_BYTES = 512 << 20

_LONGEST_MESSAGE = 200
_LONGEST_POINTER = 80
_LONGEST_FOUND = 60
# Stands for the value in the library's messages, which would quote all of it.
_VALUE = "\ue000"
# Time is limited from outside. A limit on steps would read as "does not match", even below "not".
_UNLIMITED_STEPS = 2**62


def compiled(schema: str, *, linear: bool) -> jsonschema_rs.Validator:
    """The validator of a schema given as JSON text. Nothing is fetched.

    ``linear`` patterns match in time proportional to the text and know no look-around.
    Raises jsonschema_rs.ValidationError where the schema is none.
    """
    import jsonschema_rs

    options = (
        jsonschema_rs.RegexOptions()
        if linear
        else jsonschema_rs.FancyRegexOptions(backtrack_limit=_UNLIMITED_STEPS)
    )
    return jsonschema_rs.validator_for(
        json.loads(schema),
        validate_formats=True,
        pattern_options=options,
        mask=_VALUE,
        offline=True,
    )


def faults(validator: jsonschema_rs.Validator, value: Any) -> list[str]:
    """The first few faults of an invalid value, each with its place."""
    found = dict.fromkeys(_fault(error) for error in islice(validator.iter_errors(value), 30))
    return list(found)[:MOST_FAULTS]


def first_fault(validator: jsonschema_rs.Validator, value: Any) -> list[str]:
    """The first fault alone, or none: found without looking at the rest of the value."""
    import jsonschema_rs

    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return [_fault(error)]
    return []


def message(error: jsonschema_rs.ValidationError) -> str:
    """What is wrong at one place, with the value found there cut short."""
    found = _short(error.instance)
    said = error.message[:_LONGEST_MESSAGE].replace(_VALUE, found)
    return f"{said}, found {found}" if error.kind.name == "const" else said


def innermost(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """Of alternatives that all fail, what is wrong with the nearest; else the fault itself."""
    while failing := _alternatives(error):
        if not all(failing):  # more than one alternative fits
            return error
        error = min(failing, key=partial(_distance, error))[0]
    return error


def _alternatives(
    error: jsonschema_rs.ValidationError,
) -> list[list[jsonschema_rs.ValidationError]]:
    return getattr(error.kind, "context", [])


def _fault(error: jsonschema_rs.ValidationError) -> str:
    inner = innermost(error)
    if inner is error:
        said = "it fits more than one alternative" if _alternatives(error) else message(error)
        return f"at {_pointer(error)}: {said}"
    return (
        f"at {_pointer(error)}: no alternative fits; the nearest fails "
        f"at {_pointer(inner)}: {message(inner)}"
    )


def _distance(
    error: jsonschema_rs.ValidationError, faults: list[jsonschema_rs.ValidationError]
) -> tuple[bool, bool, int]:
    """How far one alternative is off: farthest with another type, then with another tag."""
    own = len(error.instance_path)
    other_type = any(f.kind.name == "type" and len(f.instance_path) == own for f in faults)
    other_tag = any(f.kind.name in {"const", "enum"} for f in faults)
    return other_type, other_tag, len(faults)


def _pointer(error: jsonschema_rs.ValidationError) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in error.instance_path)
    pointer = "".join(f"/{part}" for part in parts) or "the root"
    half = _LONGEST_POINTER // 2
    return pointer if len(pointer) <= 2 * half else f"{pointer[:half]}…{pointer[-half:]}"


def _short(value: Any) -> str:
    if isinstance(value, dict | list) and len(value) > _LONGEST_FOUND:
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_FOUND else f"{text[:_LONGEST_FOUND]}…"


def main() -> None:
    """The child: read the work, limit oneself, validate, say."""
    work = json.load(sys.stdin)
    _limit(work["seconds"])
    sys.path.append(work["packages"])
    validator = compiled(work["schema"], linear=work["linear"])
    value = json.loads(work["answer"])
    _say(validator.is_valid(value))
    _say(first_fault(validator, value))  # listing them all may never end
    _say(faults(validator, value))


def _say(said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _limit(seconds: float) -> None:
    try:
        import resource
    except ImportError:  # not a Unix; the parent's time limit stands alone
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cpu = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))


if __name__ == "__main__":
    main()
