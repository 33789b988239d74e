"""Which ladder a request climbs, and where it is pinned: headers first, then the model's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rung.core.errors import RequestError
from rung.core.nearest import nearest
from rung.core.plan import Policy
from rung.core.types import Need, Request
from rung.orders import Tier

LADDER_PREFIX = "rung/"
TIER_PREFIX = "tier:"


@dataclass(frozen=True, slots=True)
class Ways:
    """All there is to choose from. ``embeddings`` is the way of requests for embeddings."""

    tiers: Mapping[str, Tier]
    policies: Mapping[str, Policy]
    default_ladder: str
    embeddings: Policy | None = None

    def of(self, request: Request) -> tuple[Policy, str | None]:
        """The ladder's rules and the pinned tier, if any. Raises RequestError for no such thing."""
        if Need.EMBEDDINGS in request.needs:
            return self._to_embed(), None
        asked = request.directions
        ladder, tier = asked.ladder, asked.tier
        if ladder is None and request.model.startswith(LADDER_PREFIX):
            ladder = request.model.removeprefix(LADDER_PREFIX)
        if tier is None and request.model.startswith(TIER_PREFIX):
            tier = request.model.removeprefix(TIER_PREFIX)
        if ladder is not None and ladder not in self.policies:
            raise unknown("ladder", ladder, self.policies)
        if tier is not None and tier not in self.tiers:
            raise unknown("tier", tier, self.tiers)
        policy = self.policies[ladder or self.default_ladder]
        if tier is not None and all(rung.tier != tier for rung in policy.rungs):
            if ladder is not None:
                said = f"tier {tier!r} does not stand on ladder {ladder!r}."
                raise RequestError(said, param="model", code="tier_not_on_ladder")
            policy = self._ladder_of(tier)
        return policy, tier

    def _to_embed(self) -> Policy:
        if self.embeddings is None:
            raise RequestError(
                "no tier is configured for embeddings.",
                param="model",
                code="no_tier_fits",
                fix='set `embeddings = "TIER"` at the top of rung.toml',
            )
        return self.embeddings

    def _ladder_of(self, tier: str) -> Policy:
        for policy in self.policies.values():
            if any(rung.tier == tier for rung in policy.rungs):
                return policy
        message = f"tier {tier!r} stands on no ladder, so no rules are known for it."
        raise RequestError(message, status=404, fix="add it to a ladder in rung.toml")


def unknown(what: str, name: str, known: Iterable[str], status: int = 404) -> RequestError:
    """There is no ladder, tier or verifier of that name."""
    fix = nearest(name, known) or f"add one to rung.toml: [{what}s.NAME]"
    param = "model" if what in {"ladder", "tier"} else None
    shown = name if len(name) <= 80 else name[:77] + "..."
    return RequestError(
        f"there is no {what} {shown!r}.",
        status=status,
        param=param,
        code=f"unknown_{what}",
        fix=fix,
    )
