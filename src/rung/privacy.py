"""The private lane: which requests must not leave this machine, and why.

A request is private where its caller, its project or its conversation says so, and where something
that should not leave is found in it. What cannot be looked into counts as private, and so does
whatever goes wrong in looking. The reason names a kind, never what was found.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rung.config import Config
from rung.core.errors import ConfigError, Problem
from rung.core.guidance import Known
from rung.core.sensitive_kinds import ALL_KINDS, Kind
from rung.core.types import Directions, Request
from rung.file_tables import TierTable
from rung.guides import Privacy
from rung.providers.registry import PROVIDERS, is_local, lookup, runs_elsewhere

if TYPE_CHECKING:
    # The detectors compile a hundred patterns: they are imported where something is looked for.
    from rung.core.contents import Contents, Medium

ASKED = "it was asked for"
CONVERSATION = "its conversation is private"
FAILED = "it could not be looked at"
"""Reasons. Those of a project and of a find are made from their names."""

MOST_CLEAN = 20_000
"""Texts that are remembered to hold nothing, at about 130 bytes each. Agents send them again."""

MOST_LOOKED = 1000
"""Requests that were looked at and not planned yet."""

PIECE = 1_048_576
OVERLAP = 65_536
"""Characters. Longer texts are searched in pieces that overlap, so that other threads have their
turn in between. What is looked for is shorter than the overlap, base64 inside of texts included."""

ON_THE_LOOP = 16_384
"""Bytes of a request that are searched where it is planned, in a millisecond or two; more of it is
searched in a thread."""

Analyst = Callable[[str], str | None]
"""Names what else is found in a text, if anything; for detectors of other people's."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What makes a request private besides its own word.

    ``projects`` (case-folded) are private whatever they send. ``kinds`` are looked for; with none,
    nothing is looked at. ``strict``: what cannot be looked into counts as found.
    """

    projects: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    strict: bool = True
    analyst: Analyst | None = None

    @property
    def looks(self) -> bool:
        """Whether anything is looked for."""
        return bool(self.kinds) or self.analyst is not None


@dataclass(slots=True)
class Detecting(Privacy):
    """Applies the rules. Safe to be asked from several threads.

    It remembers which texts hold nothing by digests of them, and only while the process lives.
    """

    rules: Rules
    _clean: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    _looked: OrderedDict[str, tuple[Request, str]] = field(default_factory=OrderedDict)

    def of(self, request: Request, known: Known) -> str:
        """See `Privacy.of`. Of a request that was not looked at before, all is looked at now."""
        said = self._said(request.directions, known)
        if said or not self.rules.looks:
            return said
        before = self._looked.pop(request.id, None)
        if before is not None and _same(before[0], request):
            return before[1]
        return self._found(request)

    def keeps(self, text: str) -> bool:
        """See `Privacy.keeps`. What cannot be looked at is kept."""
        from rung.core.contents import Contents

        return self.rules.looks and bool(_safely(lambda: self._search(Contents([text]))))

    async def look(self, request: Request) -> None:
        """See `Privacy.look`."""
        if not self.rules.looks or request.directions.private or request.id in self._looked:
            return
        if len(request.body) <= ON_THE_LOOP and request.body and self.rules.analyst is None:
            return
        reason = await asyncio.to_thread(self._found, request)
        self._looked[request.id] = request, reason
        while len(self._looked) > MOST_LOOKED:
            self._looked.popitem(last=False)

    def _said(self, asked: Directions, known: Known) -> str:
        if asked.project is not None and asked.project.casefold() in self.rules.projects:
            return f"project {asked.project}"
        if asked.private:
            return ASKED
        return CONVERSATION if known.private else ""

    # -------------------------------------------------------------- looking

    def _found(self, request: Request) -> str:
        from rung.core.contents import contents

        return _safely(lambda: self._search(contents(request)))

    def _search(self, told: Contents) -> str:
        from rung.core.media_texts import UnreadError

        clean: list[bytes] = []
        for text in told.texts:
            if found := self._in_text(text, clean):
                return found
        unread = list(told.unread)
        for medium in told.media:
            try:
                if found := self._in_medium(medium, clean):
                    return found
            except UnreadError as error:
                if medium.said:
                    unread.append(str(error))
        if unread and self.rules.strict:
            return f"{unread[0]} cannot be looked into"
        self._remember(clean)
        return ""

    def _in_text(self, text: str, clean: list[bytes]) -> str:
        from rung.core.sensitive import find

        mark = _mark("text", text)
        if mark in self._clean:
            return ""
        for piece in _pieces(text):
            found = find(piece, self.rules.kinds) if self.rules.kinds else None
            if found is not None:
                return found.words
            if self.rules.analyst is not None and (named := self.rules.analyst(piece)):
                return named
        clean.append(mark)
        return ""

    def _in_medium(self, medium: Medium, clean: list[bytes]) -> str:
        """Raises UnreadError for one that cannot be looked into."""
        from rung.core.media_texts import UnreadError, texts
        from rung.core.sensitive_readings import debased

        mark = _mark("medium", medium.data)
        if mark in self._clean:
            return ""
        data = debased(medium.data)
        if data is None:
            raise UnreadError("something that should be base64 and is not")
        for text in texts(data):
            if found := self._in_text(text, []):
                return found
        clean.append(mark)
        return ""

    def _remember(self, marks: Sequence[bytes]) -> None:
        for mark in marks:
            self._clean[mark] = None
        while len(self._clean) > MOST_CLEAN:
            self._clean.popitem(last=False)


def _safely(look: Callable[[], str]) -> str:
    """What was found; a reason too where looking fails."""
    try:
        return look()
    except Exception:  # noqa: BLE001 boundary: what cannot be looked at must not leave
        return FAILED


def _mark(what: str, text: str) -> bytes:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=what.encode())
    return digest.digest()


def _pieces(text: str) -> Sequence[str]:
    if len(text) <= PIECE + OVERLAP:
        return (text,)
    return [text[start : start + PIECE + OVERLAP] for start in range(0, len(text), PIECE)]


def _same(one: Request, other: Request) -> bool:
    """Whether both would send the same."""
    return one.body is other.body and one.messages is other.messages and one.tools is other.tools


# ------------------------------------------------------------------ presidio

ENTITIES = (
    *("PERSON", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "CRYPTO"),
    *("MEDICAL_LICENSE", "US_SSN", "US_ITIN", "US_PASSPORT", "US_DRIVER_LICENSE", "US_BANK_NUMBER"),
    *("UK_NHS", "UK_NINO", "ES_NIF", "IT_FISCAL_CODE", "PL_PESEL", "IN_AADHAAR", "IN_PAN"),
)
"""What presidio is asked for. Of places, dates and addresses of the web every text is full; for its
e-mail addresses it would fetch a list of domains."""

MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
"""spaCy's models, best first. presidio would download one by itself; here it is never asked to."""

LEAST_SCORE = 0.5
LONGEST_ANALYSED = 100_000
"""Characters that presidio is given at once: spaCy refuses more than a million."""


def presidio() -> Analyst:
    """Presidio's own detectors. Loads a model of up to 600 MB. Raises ConfigError."""
    if missing := next(_presidio_faults(), None):
        raise ConfigError([missing])
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    model = next(filter(_is_installed, MODELS))
    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    engine = AnalyzerEngine(
        nlp_engine=NlpEngineProvider(nlp_configuration=settings).create_engine(),
        supported_languages=["en"],
    )
    known = set(engine.get_supported_entities(language="en"))
    wanted = [entity for entity in ENTITIES if entity in known]

    def named(text: str) -> str | None:
        for start in range(0, len(text), LONGEST_ANALYSED):
            piece = text[max(0, start - OVERLAP) : start + LONGEST_ANALYSED]
            found: list[Any] = engine.analyze(
                piece, language="en", entities=wanted, score_threshold=LEAST_SCORE
            )
            if found:
                return f"presidio found {str(found[0].entity_type).lower()}"
        return None

    return named


def _presidio_faults() -> Iterator[Problem]:
    if find_spec("presidio_analyzer") is None:
        fix = "pip install 'rung[presidio]', or remove it"
        yield Problem("private.presidio", "the package presidio-analyzer is not installed.", fix)
    elif not any(map(_is_installed, MODELS)):
        said = f"none of spaCy's models {', '.join(MODELS)} is installed."
        yield Problem("private.presidio", said, f"python -m spacy download {MODELS[0]}")


def _is_installed(model: str) -> bool:
    """As presidio asks before it downloads one."""
    try:
        distribution(model)
    except PackageNotFoundError:
        return False
    return True


# ------------------------------------------------------------------ from the configuration


def privacy_of(config: Config) -> Privacy:
    """The private lane as it is configured. Raises ConfigError without presidio's packages."""
    table, projects = config.file.private, config.file.projects.items()
    named = {*table.projects, *(name for name, each in projects if each.private)}
    kinds = ALL_KINDS if table.detect is True else frozenset(table.detect or ())
    if not (named or kinds or table.presidio):
        return Detecting(Rules())
    if kinds:
        from rung.core.sensitive_readings import prepared

        prepared()
    return Detecting(
        Rules(
            projects=frozenset(name.casefold() for name in named),
            kinds=kinds,
            strict=table.unread == "private",
            analyst=presidio() if table.presidio else None,
        )
    )


def faults(config: Config) -> Iterator[Problem]:
    """What is wrong with the private lane's configuration."""
    table = config.file.private
    if table.detect == ():
        yield Problem("private.detect", "names nothing to look for.", "write false, or name kinds")
    if "unread" in table.model_fields_set and not (table.detect or table.presidio):
        yield Problem("private.unread", "does nothing without `detect`.", "add `detect = true`")
    if table.presidio:
        yield from _presidio_faults()
    for name, tier in config.file.tiers.items():
        if tier.local and _row(tier) and runs_elsewhere(lookup(tier.provider), tier.model):
            said = f"Ollama sends the requests of {tier.model} to ollama.com."
            yield Problem(f"tiers.{name}.local", said, "remove it, or choose another model")


def warnings(config: Config) -> Iterator[str]:
    """What may surprise, and is nobody's fault: for `rung doctor`."""
    for name, tier in config.file.tiers.items():
        if tier.local and _row(tier) and _leads_away(tier):
            yield (
                f"tier {name}: its address is none of this machine or network. Private requests go "
                "there all the same, because of `local = true`."
            )
    private = config.file.private
    asked = private.detect or private.presidio or private.projects
    if not (asked or any(each.private for each in config.file.projects.values())):
        return
    for name, ladder in config.file.ladders.items():
        if not any(_stays(config.file.tiers[tier]) for tier in ladder.tiers):
            yield f"ladder {name}: it has no local tier, so its private requests are refused."


def _row(tier: TierTable) -> bool:
    return tier.provider in PROVIDERS


def _leads_away(tier: TierTable) -> bool:
    """Whether the address alone would not make it local; a name might lead anywhere."""
    return not is_local(lookup(tier.provider), tier.base_url)


def _stays(tier: TierTable) -> bool:
    if tier.local is not None or not _row(tier):
        return tier.local is not False
    row = lookup(tier.provider)
    return is_local(row, tier.base_url) and not runs_elsewhere(row, tier.model)
