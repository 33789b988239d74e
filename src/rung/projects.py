"""Projects: what holds for all of their requests, and the keys that the configuration gives them.

What a project sets, its requests can only tighten. Whoever asks for something outside of it is
refused, and not served by other rules than were asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from rung.config import Config
from rung.core.bounds import tighter
from rung.core.errors import Problem, RequestError
from rung.core.money import from_usd
from rung.core.nearest import nearest
from rung.core.types import Lane, Request
from rung.file_tables import ProjectTable
from rung.guides import Projects
from rung.ways import LADDER_PREFIX, TIER_PREFIX, Ways

_LANES = tuple(Lane)
"""From the least patient to the most."""

_FORBIDDEN: Final = 403


# ------------------------------------------------------------------ what holds


@dataclass(frozen=True, slots=True)
class Project:
    """What holds for the requests of one project; ``None`` leaves it to the request."""

    name: str
    ladder: str | None = None
    tier: str | None = None
    ceiling: str | None = None
    max_cost_nanousd: int | None = None
    deadline_seconds: float | None = None
    lane: Lane | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class KnownProjects(Projects):
    """The configured projects by name. A request of any other one is bound by nothing here."""

    ways: Ways
    known: Mapping[str, Project]

    def applied(self, request: Request) -> Request:
        """The request as its project allows it.

        Raises RequestError (403) for a ladder or a tier outside of its project.
        """
        asked = request.directions
        project = None if asked.project is None else self.known.get(asked.project)
        if project is None:
            return request
        bound = replace(
            asked,
            ladder=_bound(project, "ladder", project.ladder, asked.ladder, request.model),
            tier=_bound(project, "tier", project.tier, asked.tier, request.model),
            deadline_seconds=tighter(project.deadline_seconds, asked.deadline_seconds),
            max_cost_nanousd=tighter(project.max_cost_nanousd, asked.max_cost_nanousd),
            lane=max(asked.lane, project.lane or asked.lane, key=_LANES.index),
            private=project.private or asked.private,
        )
        request = replace(request, directions=bound)
        if project.ceiling is None:
            return request
        ceiling = self._lower(request, project.ceiling)
        return replace(request, directions=replace(bound, ceiling=ceiling))

    def _lower(self, request: Request, ceiling: str) -> str:
        """The lower of a project's ceiling and the request's own on the ladder that it climbs.

        Where one does not stand on it, that one: planning refuses it, rather than to pass it over.
        """
        own = request.directions.ceiling
        if own is None:
            return ceiling
        policy, _ = self.ways.of(request)
        places = {rung.tier: place for place, rung in enumerate(policy.rungs)}
        return min(ceiling, own, key=lambda tier: places.get(tier, -1))


def _bound(
    project: Project, what: str, ours: str | None, header: str | None, model: str
) -> str | None:
    """What holds of a project's ladder or tier and what its request names, in header or model."""
    if ours is None:
        return header
    prefix = TIER_PREFIX if what == "tier" else LADDER_PREFIX
    named = model.removeprefix(prefix) if model.startswith(prefix) else None
    asked = header if header is not None else named
    if asked in {None, ours}:
        return ours
    raise RequestError(
        f"requests of project {project.name!r} are bound to {what} {ours!r}.",
        status=_FORBIDDEN,
        param="model" if header is None else f"x-rung-{what}",
        code="outside_project",
        fix=f"name no other {what}",
    )


# ------------------------------------------------------------------ from the configuration


def keys_of(config: Config) -> dict[str, tuple[str, ...]]:
    """The keys of each project's clients; of variables that are not set none."""
    return {
        name: tuple(filter(None, map(config.secret, table.key_env)))
        for name, table in config.file.projects.items()
        if table.key_env
    }


def projects_of(config: Config, ways: Ways) -> Projects:
    """The projects of a configuration."""
    named = {name: _project(name, table) for name, table in config.file.projects.items()}
    return KnownProjects(ways, named) if named else Projects()


def _project(name: str, table: ProjectTable) -> Project:
    return Project(
        name,
        table.ladder,
        table.tier,
        table.ceiling,
        None if table.max_usd is None else from_usd(table.max_usd),
        table.deadline_seconds,
        table.lane,
        table.private,
    )


def faults(config: Config) -> Iterator[Problem]:
    """What is wrong with the projects of a configuration beside the types of their keys."""
    for name, table in config.file.projects.items():
        yield from _place_faults(f"projects.{name}", table, config)
        yield from _key_faults(f"projects.{name}.key_env", table, config)
    yield from _shared_keys(config)


def _place_faults(at: str, table: ProjectTable, config: Config) -> Iterator[Problem]:
    """Ladders and tiers that are none, or not where the project climbs."""
    ladders = {name: each.tiers for name, each in config.file.ladders.items()}
    if table.ladder is not None and table.ladder not in ladders:
        near = nearest(table.ladder, list(ladders))
        yield Problem(f"{at}.ladder", f"there is no ladder {table.ladder!r}.", near)
        return
    climbed = ladders if table.ladder is None else {table.ladder: ladders[table.ladder]}
    for key, tier in (("tier", table.tier), ("ceiling", table.ceiling)):
        if tier is None:
            continue
        if tier not in config.file.tiers:
            near = nearest(tier, list(config.file.tiers))
            yield Problem(f"{at}.{key}", f"there is no tier {tier!r}.", near)
        elif all(tier not in tiers for tiers in climbed.values()):
            where = "any ladder" if table.ladder is None else f"ladder {table.ladder!r}"
            fix = f"name one of these: {', '.join(dict.fromkeys(chain(*climbed.values())))}"
            yield Problem(f"{at}.{key}", f"{tier!r} does not stand on {where}.", fix)
    pin, last = table.tier, table.ceiling
    both = [tiers for tiers in climbed.values() if pin in tiers and last in tiers]
    if pin and last and both and all(t.index(pin) > t.index(last) for t in both):
        said = f"{pin!r} is above the project's ceiling, {last!r}."
        yield Problem(f"{at}.tier", said, "raise the ceiling, or leave it out")


def _key_faults(at: str, table: ProjectTable, config: Config) -> Iterator[Problem]:
    for variable in dict.fromkeys(table.key_env):
        key = config.secret(variable)
        if key is None:
            said = f"the environment variable {variable} is not set."
            yield Problem(at, said, f"export {variable}=..., or take it out")
        elif not (key.isascii() and key.isprintable()) or " " in key:
            said = f"the key in {variable} holds a space, a line end or another sign no key has."
            yield Problem(at, said, "copy it anew")


def _shared_keys(config: Config) -> Iterator[Problem]:
    """Keys that do not say whose they are: variables, or values of them, of two projects."""
    owners: dict[str, str] = {}
    holders: dict[str, str] = {}
    for name, table in config.file.projects.items():
        at, fix = f"projects.{name}.key_env", "give each project keys of its own"
        for variable in dict.fromkeys(table.key_env):
            owner = owners.setdefault(variable, name)
            key = config.secret(variable)
            holder = variable if key is None else holders.setdefault(key, variable)
            if owner != name:
                yield Problem(at, f"{variable} is a key of project {owner!r} already.", fix)
            elif holder != variable:
                yield Problem(at, f"{variable} holds the same key as {holder}.", fix)
