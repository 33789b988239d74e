"""A JSON Schema document: where each `$ref` in it leads. Nothing outside it is ever looked up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from rung.core.errors import RequestError

PARAM = "response_format.json_schema.schema"
"""The field of a request that a caller's schema stands in."""

_ANCHORS = ("$anchor", "$dynamicAnchor")
_LONGEST_PLACE = 200
_OLD_DRAFTS = ("draft-04", "draft-06", "draft-07")


def refused(message: str, place: str = "", fix: str | None = None) -> RequestError:
    """The error for a schema that cannot be used; ``place`` is a JSON pointer inside it."""
    where = f" at {place}" if place else ""
    return RequestError(f"The JSON Schema is refused{where}: {message}.", param=PARAM, fix=fix)


@dataclass(frozen=True, slots=True)
class Document:
    """A schema and what its references can name.

    ``places`` maps the identity of each object to its JSON pointer, ``bases`` to the URI that its
    references are relative to; ``targets`` maps URIs, with and without anchors, to objects.
    """

    root: Any
    old: bool
    places: dict[int, str]
    bases: dict[int, str]
    targets: dict[str, Any]

    def place(self, node: Any) -> str:
        """The JSON pointer of an object inside the schema."""
        return self.places.get(id(node), "")

    def resolve(self, node: dict[str, Any]) -> Any:
        """What the `$ref` of ``node`` leads to; raises RequestError where that is not in here."""
        ref, base = node["$ref"], self.bases[id(node)]
        here = f"{self.place(node)}/$ref"
        try:
            uri = base + ref if ref.startswith("#") else urljoin(base, ref)
            document, fragment = urldefrag(uri)
        except ValueError as error:
            raise refused(f"{ref[:100]!r} is not a reference", here) from error
        if document not in self.targets:
            raise refused(
                f"it refers to another document, {ref[:100]!r}, and nothing is ever fetched",
                here,
                "put the definition under $defs and refer to it as #/$defs/NAME",
            )
        if fragment and not fragment.startswith("/"):
            found = self.targets.get(f"{document}#{unquote(fragment)}")
        else:
            found = _pointed(self.targets[document], fragment)
        if not isinstance(found, dict | bool):
            raise refused(f"nothing is at {ref[:100]!r}", here, "define it, or correct the name")
        return found


def read(root: Any) -> Document:
    """Find every object, identifier and anchor of a schema."""
    declared = root.get("$schema") if isinstance(root, dict) else None
    old = isinstance(declared, str) and any(draft in declared for draft in _OLD_DRAFTS)
    found = Document(root, old, {}, {}, {"": root})
    for node, place, base in _objects(root, found):
        found.places[id(node)] = place
        found.bases[id(node)] = base
        for key in _ANCHORS:
            if isinstance(node.get(key), str):
                found.targets[f"{base}#{node[key]}"] = node
    return found


def _objects(root: Any, found: Document) -> Iterator[tuple[dict[str, Any], str, str]]:
    waiting: list[tuple[Any, str, str]] = [(root, "", "")]
    while waiting:
        node, place, base = waiting.pop()
        if isinstance(node, dict):
            base = _identify(node, base, found)
            yield node, place, base
            waiting += [
                (value, f"{place}/{_escaped(key)}"[:_LONGEST_PLACE], base)
                for key, value in node.items()
                if isinstance(value, dict | list)
            ]
        elif isinstance(node, list):
            waiting += [
                (value, f"{place}/{index}"[:_LONGEST_PLACE], base)
                for index, value in enumerate(node)
                if isinstance(value, dict | list)
            ]


def _identify(node: dict[str, Any], base: str, found: Document) -> str:
    """The base URI inside ``node``, which its own identifier may change."""
    own = node.get("$id", node.get("id") if found.old else None)
    if not isinstance(own, str) or (found.old and "$ref" in node):
        return base
    if own.startswith("#"):
        found.targets[base + own] = node
        return base
    try:
        uri = urldefrag(urljoin(base, own))[0]
    except ValueError:
        return base
    found.targets[uri] = node
    return uri


def _pointed(node: Any, pointer: str) -> Any:
    for raw in unquote(pointer).split("/")[1:]:
        key = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and key.isascii() and key.isdigit() and len(key) < 9:
            node = node[int(key)] if int(key) < len(node) else None
        else:
            return None
    return node


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
