"""Addresses of databases and servers, and what of them may be told."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

POSTGRES_SCHEMES = ("postgresql://", "postgres://")
SECRET_PARAMETERS = frozenset({"password", "sslpassword"})
HIDDEN = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def is_url(place: str) -> bool:
    """Whether it is the address of a database, and no file's path."""
    return place.startswith(POSTGRES_SCHEMES)


def is_place(place: str) -> bool:
    """Whether a ledger can be there: a file's path, or the address of a database."""
    return is_readable(place) if is_url(place) else not _SCHEME.match(place)


def is_readable(url: str) -> bool:
    """Whether its parts can be told apart."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True


def without_password(url: str) -> str:
    """The URL without passwords; nothing but its scheme where it cannot be read."""
    if not is_readable(url):
        return f"{url.partition('://')[0]}://{HIDDEN}"
    parts = urlsplit(url)
    userinfo, at, hosts = parts.netloc.rpartition("@")
    user = userinfo.partition(":")[0]
    told = [(k, v) for k, v in parse_qsl(parts.query) if k.lower() not in SECRET_PARAMETERS]
    return urlunsplit((parts.scheme, f"{user}{at}{hosts}", parts.path, urlencode(told), ""))


def with_password(url: str, password: str | None) -> str:
    """The URL with a password, where it has none of its own."""
    if password is None or not is_readable(url):
        return url
    parts = urlsplit(url)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    if ":" in userinfo:
        return url
    netloc = f"{userinfo}:{quote(password, safe='')}@{hosts}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))


def shown(place: object) -> str:
    """A ledger's place, a path or a URL, as people may read it: without a password."""
    return without_password(place) if isinstance(place, str) and is_url(place) else str(place)


def without_login(url: str) -> str:
    """The address of a server without user, password and query, any of which may be a secret."""
    if not is_readable(url):
        return f"{url.partition('://')[0]}://{HIDDEN}"
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def origin_alone(url: str) -> str:
    """The address of a webhook: its path, too, is often all that keeps others from calling it."""
    scheme, host = urlsplit(without_login(url))[:2]
    return f"{scheme}://{host}/{HIDDEN}"
