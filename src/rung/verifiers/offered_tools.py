"""The tools that a request offers, by the names that answers call them by.

Whole answers have been settled in the request's own terms before they are checked (wire/calls.py);
a call that is still growing may have the name that its provider was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import msgspec

from rung.core.nearest import nearest
from rung.core.parts import HostedTool, Tool, ToolCall
from rung.core.types import Request
from rung.verifiers.base import shown
from rung.wire.ids import wire_name

LONGEST_NAME = 80
"""Characters of a name that reasons show."""

_MOST_COMPARED = 256


class _Named(msgspec.Struct):
    name: str = ""


_NAMED = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class OfferedTools:
    """Tools by namespace and name. ``wired`` has the names of dialects without namespaces.

    What a hosted tool takes is its provider's own matter; one that the caller runs (Anthropic's
    ``bash_20250124``) is called by the ``name`` in its definition.
    """

    tools: dict[tuple[str, str], Tool | HostedTool]
    wired: dict[str, Tool | HostedTool]

    @classmethod
    def of(cls, request: Request) -> OfferedTools:
        """Those of one request. Of two by one name the first counts."""
        offered = cls({}, {})
        for tool in request.tools:
            if isinstance(tool, Tool):
                offered.tools.setdefault((tool.namespace, tool.name), tool)
                offered.wired.setdefault(wire_name(tool.name, tool.namespace), tool)
                continue
            for name in {tool.kind, _name_of(tool)} - {""}:
                offered.tools.setdefault(("", name), tool)
        return offered

    def find(self, call: ToolCall) -> Tool | HostedTool | None:
        """The tool that is called."""
        return self.tools.get((call.namespace, call.name))

    def could_be(self, name: str) -> list[Tool | HostedTool]:
        """The tools that a call may turn out to be of, by the name its own provider gives it.

        The namespace is told, or found, only when the call is whole.
        """
        wired = [self.wired[name]] if name in self.wired else []
        return wired + [tool for (_, own), tool in self.tools.items() if own == name]

    def advice(self, name: str) -> str:
        """What to call in place of ``name``."""
        known = (full_name(own, space) for space, own in islice(self.tools, _MOST_COMPARED))
        return nearest(name, known) or "no tool is offered"


def full_name(name: str, namespace: str = "") -> str:
    """A tool's name for people, cut short."""
    return shown(f"{namespace}.{name}" if namespace else name, LONGEST_NAME)


def _name_of(tool: HostedTool) -> str:
    try:
        return _NAMED.decode(tool.raw).name
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
