"""A reverse proxy's routing table: for each port that it serves, the rules by which a request finds its backend.

nginx has ``server`` and ``location`` blocks, Envoy virtual hosts and routes; one model serves both. A request is
compared in this order, and each answer can be said in a sentence:

::

    host     the rules whose host names it most exactly; from here on no others are looked at
    path     exact, or by whole elements (``/foo`` is the start of ``/foo/bar``, not of ``/foobar``), or by letters
    method, headers, query
    of the rules that fit: exact path, longest path, method, most headers, most query parameters,
                           then the oldest object, then by name, then the first in its list

Whoever configures the proxy writes rows ``(netns, "frontend", port)``; `proxy.py` serves by them.

Left out: nginx's order among several regular expressions (the longest wins here).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from k8slearn.journal import Key
from k8slearn.linux.http import Request
from k8slearn.trace import Because, Compared

TABLE = "frontend"
Headers = tuple[tuple[str, str, str], ...]
"""(``set``, ``add`` or ``remove``, name, value): what is changed of a request's headers."""
Place = tuple[str, int]
"""An address and a port."""
Path = tuple[str, str]
"""``("full", "/new")`` or ``("prefix", "/new")``: what takes the place of the path, or of the part that matched."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule asks of a request. An empty field asks nothing."""

    host: str = ""
    """``shop.example``, ``*.shop.example`` or any."""
    labels: int = 0
    """How many labels ``*`` may stand for (an Ingress' stands for one); 0: any number."""
    path: str = "/"
    kind: str = "prefix"
    """``exact``, ``prefix`` (whole elements), ``letters`` (any beginning) or ``regex``."""
    method: str = ""
    headers: tuple[tuple[str, str, str], ...] = ()
    """(name, value, ``exact`` or ``regex``)"""
    query: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a rule sends requests: places that serve, and in which share. `problem`: nobody can be asked, because."""

    says: str
    """In a person's words: ``Service shop/cart, port 80``."""
    places: tuple[Place, ...] = ()
    weight: int = 1
    problem: str = ""
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that sends the client elsewhere; an empty field stays as it was asked."""

    code: str
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One rule. `says` is where it stands (``Ingress shop/web spec.rules[0].http.paths[1]``), `key` the object."""

    match: Match
    backends: tuple[Backend, ...]
    says: str
    key: Key
    age: tuple[str, str, int] = ("", "", 0)
    """(created, namespace/name, place in the object): who wins among equals."""
    layer: str = "http"
    """``http``; ``sni``: passed on by its server name, unread; ``tcp``: passed on whatever it is."""
    redirect: Redirect | None = None
    rewrite: Path | None = None
    rewrite_host: str = ""
    headers: Headers = ()
    mirrors: tuple[Backend, ...] = ()
    answer: Headers = ()
    """What is changed of the answer's headers."""
    timeout: float = 0.0
    """Seconds in which the answer has to be there; 0: nobody said so."""


@dataclass(frozen=True, slots=True)
class Frontend:
    """A port that a proxy serves: ``http``, ``tls`` (https, or passed on by its SNI) or ``tcp``."""

    port: int
    speaks: str
    dialect: str
    """Whose pages it answers with: ``nginx``, ``envoy``."""
    routes: tuple[Route, ...] = ()
    names: tuple[str, ...] = ()
    """Server names that it ends TLS for; an empty name stands for all."""


def choose(routes: tuple[Route, ...], request: Request, host: str) -> tuple[Route | None, tuple[Compared, ...]]:
    """The rule that a request goes by, or None; and for every rule why it was or was not taken."""
    known = [route for route in routes if _names(route.match, host)]
    best = max((_exactness(route.match.host) for route in known), default=None)
    near = [route for route in known if _exactness(route.match.host) == best]
    fitting = [route for route in near if not missed(route.match, request)]
    chosen = min(fitting, key=order, default=None)
    return chosen, tuple(_compared(route, request, host, known, near, chosen) for route in routes)


class Criterion(NamedTuple):
    """One thing by which a rule goes before another: its rank (the smallest first) and its words."""

    rank: int | str
    says: str


def order(route: Route) -> tuple[int | str, ...]:
    """What a rule is sorted by, the one that is taken first."""
    return tuple(criterion.rank for criterion in _criteria(route))


def _criteria(route: Route) -> tuple[Criterion, ...]:
    match = route.match
    return (
        Criterion(match.kind != "exact", "its path is exact"),
        Criterion(-len(match.path.rstrip("/") or "/"), f"its path {match.path} is longer"),
        Criterion(not match.method, "it asks for the method"),
        Criterion(-len(match.headers), "it asks for more headers"),
        Criterion(-len(match.query), "it asks for more query parameters"),
        Criterion(route.age[0], "it is older"),
        Criterion(route.age[1], "it comes first by name"),
        Criterion(route.age[2], "it stands first in its object"),
    )


def _compared(
    route: Route, request: Request, host: str, known: list[Route], near: list[Route], chosen: Route | None
) -> Compared:
    because = Because(route.key, route.says)
    if route not in known:
        return Compared(because, False, f"its host is {route.match.host}, and the request's is {host or 'none'}")
    if route not in near:
        better = max((other.match.host for other in near), key=_exactness)
        return Compared(because, False, f"its host {route.match.host or '*'} fits, and {better} fits more exactly")
    lacks = missed(route.match, request)
    if lacks:
        return Compared(because, False, lacks)
    if route is chosen or chosen is None:
        return Compared(because, True, _fits(route.match))
    pairs = zip(_criteria(chosen), _criteria(route), strict=True)
    why = next((mine.says for mine, its in pairs if mine.rank != its.rank), "it stands first")
    return Compared(because, False, f"it fits too, and {chosen.says} goes before it: {why}")


def _fits(match: Match) -> str:
    asks = {"exact": f"the path is {match.path}", "regex": f"the path fits {match.path}"}
    path = asks.get(match.kind, f"the path begins with {match.path}")
    host = f"the host is {match.host} and " if match.host else ""
    return f"taken: {host}{path}"


def _exactness(host: str) -> tuple[bool, int]:
    """How exactly a pattern names a host: without a wildcard, then the longest."""
    return bool(host) and not host.startswith("*"), len(host)


def _names(match: Match, host: str) -> bool:
    return covers(match.host, host, match.labels)


def covers(pattern: str, host: str, labels: int = 0) -> bool:
    """Does a host pattern name this host?"""
    if not pattern.startswith("*."):
        return pattern in ("", host)
    front = host.removesuffix(pattern[1:])
    return bool(front) and front != host and (not labels or front.count(".") < labels)


def missed(match: Match, request: Request) -> str:
    """The first thing that a rule asks for, its host aside, and the request does not have; empty: it fits."""
    if not _path_fits(match, request.path):
        return f"its path is {match.path} ({KINDS[match.kind]}), and the request's is {request.path}"
    if match.method and match.method != request.method:
        return f"its method is {match.method}, and the request's is {request.method}"
    for what, wanted, found in (("header", match.headers, request.header), ("query", match.query, request.query.get)):
        for name, value, kind in wanted:
            has = found(name)
            if has is None or not (re.fullmatch(value, has) if kind == "regex" else has == value):
                return f"its {what} {name} is {value}, and the request's is {'not there' if has is None else has}"
    return ""


KINDS = {
    "exact": "exactly",
    "prefix": "and what is below it, by whole elements",
    "letters": "and whatever begins so",
    "regex": "a regular expression",
}


def _path_fits(match: Match, path: str) -> bool:
    if match.kind == "exact":
        return path == match.path
    if match.kind == "regex":
        return re.match(match.path, path) is not None
    if match.kind == "letters":
        return path.startswith(match.path)
    start = match.path.rstrip("/")
    return path == start or path.startswith(f"{start}/")


def path_after(rewrite: Path | None, match: Match, path: str) -> str:
    """The path that the backend is asked for."""
    if rewrite is None:
        return path
    how, value = rewrite
    if how == "regex":
        found = re.match(match.path, path)
        groups = {f"${n}": part or "" for n, part in enumerate(found.groups(), 1)} if found is not None else {}
        return re.sub(r"\$\d", lambda m: groups.get(m[0], ""), value)
    if how == "full":
        return value
    rest = path.removeprefix(match.path.rstrip("/")).removeprefix("/")
    return f"{value.rstrip('/')}/{rest}" if rest else value or "/"
