"""Which checks a request's answers have to pass, by whom they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rung.core.parts import Choice, Tool
from rung.core.types import Need, Request
from rung.core.verdicts import Check, Weight
from rung.core.vote import AGREEMENT
from rung.verifiers.base import Verifier
from rung.ways import unknown


class Asked(NamedTuple):
    """What decides on the checks of a request that brings none of its own.

    ``also`` are names that a rule asks for, ``offers`` says that it offers tools. While only
    ``watching``, what the request itself implies cannot reject.
    """

    ladder: str
    also: tuple[str, ...]
    offers: bool
    watching: bool


@dataclass(frozen=True, slots=True)
class Checklist:
    """Verifiers by name, and their names and weights for a plan."""

    verifiers: Mapping[str, Verifier]
    checks: tuple[Check, ...]


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
    _usual: dict[Asked, Checklist] = field(default_factory=dict, init=False, repr=False)

    def of(
        self,
        request: Request,
        ladder: str,
        extra: tuple[Verifier, ...] = (),
        also: tuple[str, ...] = (),
        *,
        watching: bool = False,
    ) -> Checklist:
        """The checks of one request, in the order they run: hygiene, then what was asked for.

        ``extra`` are the caller's own; see `Asked` for the rest.
        """
        if Need.EMBEDDINGS in request.needs:
            return Checklist({AGREEMENT: self.agreement}, ())
        asked = Asked(ladder, also, _offers_tools(request), watching)
        if extra or request.schema is not None or request.directions.verify:
            return self._listed(asked, request, extra)
        # Only what the configuration names is kept: what callers name could fill the memory.
        found = self._usual.get(asked)
        if found is None:
            found = self._usual[asked] = self._listed(asked, request)
        return found

    def _listed(
        self, asked: Asked, request: Request, extra: tuple[Verifier, ...] = ()
    ) -> Checklist:
        """Tool calls come first.

        An answer without one passes that gate whatever else it is; left unasked behind hygiene that
        failed, it would withhold what hygiene only flags.
        """
        own = {self.tools.name} if asked.offers else set()
        found = {self.tools.name: self.tools} if asked.offers else {}
        found |= {each.name: each for each in self.implied if each.weight is Weight.IMPLIED}
        named = (*self.by_ladder.get(asked.ladder, ()), *asked.also, *request.directions.verify)
        for name in named:
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
        checks = [
            Check(name, Weight.SIGNAL if asked.watching and name in own else each.weight)
            for name, each in found.items()
        ]
        return Checklist({**found, AGREEMENT: self.agreement}, tuple(checks))


def _offers_tools(request: Request) -> bool:
    """Whether the model may call a tool that the caller runs."""
    may = request.tool_choice.mode is not Choice.NONE
    return may and any(isinstance(tool, Tool) for tool in request.tools)


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    """``name``, or with a number: no check may take another's place, nor the engine's own name."""
    names = (name, *(f"{name}-{n}" for n in range(2, len(taken) + 4)))
    return next(each for each in names if each not in taken and each != AGREEMENT)
