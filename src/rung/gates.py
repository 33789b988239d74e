"""Which checks a request's answers have to pass, by whom they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rung.core.parts import Choice, Tool
from rung.core.types import Need, Request
from rung.core.verdicts import Check, Weight
from rung.core.vote import AGREEMENT
from rung.verifiers.base import Verifier
from rung.ways import unknown


@dataclass(frozen=True, slots=True)
class Gates:
    """All the verifiers there are.

    ``configured`` are rung.toml's, by name, ``by_ladder`` the names that each ladder asks for;
    ``implied`` check every answer. ``schema`` builds the check of a request's own schema, ``tools``
    is the check of its tool calls.
    """

    configured: Mapping[str, Verifier]
    by_ladder: Mapping[str, tuple[str, ...]]
    implied: tuple[Verifier, ...]
    agreement: Verifier
    schema: Callable[[Request], Verifier]
    tools: Verifier

    def of(
        self,
        request: Request,
        ladder: str,
        extra: tuple[Verifier, ...],
        also: tuple[str, ...] = (),
    ) -> Checklist:
        """The checks of one request, in the order they run: hygiene, then what was asked for.

        ``also`` are names that a rule asks for.

        Tool calls come first. An answer without one passes that gate whatever else it is; left
        unasked behind hygiene that failed, it would withhold what hygiene only flags.
        """
        if Need.EMBEDDINGS in request.needs:
            return Checklist({}, frozenset())
        offers = _offers_tools(request)
        own = {self.tools.name} if offers else set()
        found = {self.tools.name: self.tools} if offers else {}
        found |= {each.name: each for each in self.implied if each.weight is Weight.IMPLIED}
        for name in (*self.by_ladder.get(ladder, ()), *also, *request.directions.verify):
            if name not in self.configured:
                raise unknown("verifier", name, self.configured, status=400)
            found[name] = self.configured[name]
        if request.schema is not None:
            schema = self.schema(request)
            name = _free_name(schema.name, found)
            found[name] = schema
            own.add(name)
        for each in extra:
            found[_free_name(each.name, found)] = each
        for each in self.implied:
            found.setdefault(each.name, each)
        return Checklist(found, frozenset(own))


@dataclass(frozen=True, slots=True)
class Checklist:
    """Verifiers by name. ``own`` are those that the request itself implies."""

    verifiers: dict[str, Verifier]
    own: frozenset[str]

    def checks(self, *, watching: bool) -> tuple[Check, ...]:
        """Names and weights for a plan; the request's own cannot reject while only ``watching``."""
        return tuple(
            Check(name, Weight.SIGNAL if watching and name in self.own else each.weight)
            for name, each in self.verifiers.items()
        )


def _offers_tools(request: Request) -> bool:
    """Whether the model may call a tool that the caller runs."""
    may = request.tool_choice.mode is not Choice.NONE
    return may and any(isinstance(tool, Tool) for tool in request.tools)


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    """``name``, or with a number: no check may take another's place, nor the engine's own name."""
    names = (name, *(f"{name}-{n}" for n in range(2, len(taken) + 4)))
    return next(each for each in names if each not in taken and each != AGREEMENT)
