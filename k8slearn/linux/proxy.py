"""A reverse proxy in a network namespace: it ends the client's connection and opens one of its own to a backend.

::

    client ══ SYN … GET /cart ══> proxy          the first connection, to the proxy's own port
                                  proxy ══ SYN … GET /cart ══> backend    the second, from the proxy's own address
    client <══════════ the answer ══ proxy <══ the answer ══ backend

Two connections, and so two walks: each through its own routes, rules and conntrack. The backend sees the *proxy* as
its client; who really asked stands only in the header ``X-Forwarded-For``. By which rule a request goes
`frontend.py` says. What the client hears when nobody can be asked or the second connection fails is each program's own:

===================  =====================  ===============================================
what happened        nginx                  Envoy
===================  =====================  ===============================================
no rule fits         404                    404
nobody serves        503                    503
connection refused   502                    503 (reset reason)
no way there         502                    503
silence              504 after 3 tries      503 after 10 s, or 504 after the rule's time-out
===================  =====================  ===============================================

Envoy's and nginx's own words: envoyproxy/envoy source/common/http/utility.cc, nginx's ngx_http_special_response.c.
What is passed on unread (TCP, or TLS by its server name) has no status: the proxy hangs up.

Left out: keep-alive and connection pools (each request is a connection of its own), HTTP/2 frames, health checks,
the order in which real balancers take turns (ours draws the first of them, each alike), what closes without RST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from k8slearn.journal import Command, drive
from k8slearn.linux import attempt, http, listen
from k8slearn.linux.frontend import (
    TABLE,
    Backend,
    Frontend,
    Headers,
    Place,
    Redirect,
    Route,
    choose,
    covers,
    path_after,
)
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Attempt, Compared, Served


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is a program's own: its patience with a backend, how often it tries, and its pages."""

    patience: float
    tries: int
    forwarded: str
    """What it does with an ``X-Forwarded-For`` that the client sent: nginx believes nobody and sets its own."""
    pages: Mapping[str, tuple[str, str]]
    """What happened -> (status, text)."""


def _html(status: str) -> tuple[str, str]:
    head = f"<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n"
    return status, f"{head}<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"


RESET = "upstream connect error or disconnect/reset before headers. "
DIALECTS: Mapping[str, Dialect] = {
    "nginx": Dialect(
        5.0,
        3,
        "set",
        {
            "no rule": _html("404 Not Found"),
            "nobody": _html("503 Service Temporarily Unavailable"),
            "broken": _html("503 Service Temporarily Unavailable"),
            "refused": _html("502 Bad Gateway"),
            "unreachable": _html("502 Bad Gateway"),
            "timeout": _html("504 Gateway Time-out"),
            "plain": _html("400 Bad Request"),
        },
    ),
    "envoy": Dialect(
        10.0,
        1,
        "add",
        {
            "no rule": ("404 Not Found", ""),
            "nobody": ("503 Service Unavailable", "no healthy upstream"),
            "broken": ("500 Internal Server Error", ""),
            "refused": (
                "503 Service Unavailable",
                RESET + "reset reason: remote connection failure, transport failure reason: delayed connect error: "
                "Connection refused",
            ),
            "unreachable": (
                "503 Service Unavailable",
                RESET + "reset reason: remote connection failure, transport failure reason: immediate connect error: "
                "Network is unreachable",
            ),
            "timeout": ("503 Service Unavailable", RESET + "reset reason: connection timeout"),
            "late": ("504 Gateway Timeout", "upstream request timeout"),
            "plain": ("400 Bad Request", ""),
        },
    ),
}


@dataclass(slots=True)
class Visit:
    """One request at a proxy, and what became of it so far."""

    net: Net
    skb: Skb
    front: Frontend
    request: http.Request
    text: str
    route: Route | None = None
    compared: tuple[Compared, ...] = ()
    backend: Backend | None = None
    asked: tuple[Attempt, ...] = ()

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.front.dialect]

    @property
    def patience(self) -> float:
        """How long it waits for a backend."""
        said = self.route.timeout if self.route is not None else 0.0
        return min(said or self.dialect.patience, self.dialect.patience)

    def page(self, what: str) -> str:
        """A page of the proxy's own."""
        status, body = self.dialect.pages[what]
        self.note(status)
        return listen.page(status, body)

    def note(self, status: str, location: str = "") -> None:
        """Keep for whoever asked the walk what was done here."""
        chosen = self.route.says if self.route is not None else ""
        says, problem = (self.backend.says, self.backend.problem) if self.backend is not None else ("", "")
        where, port, url = self.skb.netns, self.front.port, self.request.url
        told = Served(where, port, url, self.compared, status, chosen, says, problem, location, self.asked)
        self.net.served.append(told)


def serve(net: Net, skb: Skb, front: Frontend, text: str) -> str | None:
    """What the proxy answers a client, perhaps after it asked somebody else; None: it hangs up."""
    visit = Visit(net, skb, front, http.parse(text), text)
    return SPEAKS[front.speaks](visit)


def _http(visit: Visit) -> str | None:
    """By the request's own words."""
    request = visit.request
    if request.server_name is not None and visit.front.speaks == "http":
        return visit.page("plain")
    routes = tuple(route for route in visit.front.routes if route.layer == "http")
    visit.route, visit.compared = choose(routes, request, request.host)
    if visit.route is None:
        return visit.page("no rule")
    if visit.route.redirect is not None:
        return _redirected(visit, visit.route, visit.route.redirect)
    return _proxied(visit, visit.route)


def _tls(visit: Visit) -> str | None:
    """By the server name of the ClientHello, before anything is decrypted."""
    name = visit.request.server_name
    if name is None:
        return visit.page("plain")
    found, compared = choose(visit.front.routes, http.Request(), name)
    if found is not None and found.layer == "sni":
        visit.route, visit.compared = found, compared
        return _unread(visit)
    if not any(covers(known, name) for known in visit.front.names):
        visit.compared = compared
        return _unread(visit)
    return _http(visit)


def _tcp(visit: Visit) -> str | None:
    """By the port alone."""
    visit.route, visit.compared = choose(visit.front.routes, http.Request(), "")
    return _unread(visit)


SPEAKS = {"http": _http, "tls": _tls, "tcp": _tcp}


def _proxied(visit: Visit, route: Route) -> str:
    visit.backend = backend = _weighed(visit.net, route)
    if backend is None or backend.problem:
        return visit.page("broken")
    if not backend.places:
        return visit.page("nobody")
    for copy in route.mirrors:
        if copy.places:
            _connect(visit, copy.places[0], _request(visit, route, copy))
    visit.asked = _asked(visit, backend, _request(visit, route, backend))
    outcome = visit.asked[-1].ending.outcome
    if outcome != "connected":
        return visit.page("late" if outcome == "timeout" and visit.patience < visit.dialect.patience else outcome)
    answer = visit.asked[-1].ending.payload
    visit.note(listen.status(answer))
    return _answered(answer, route.answer) if route.answer else answer


def _answered(answer: str, changes: Headers) -> str:
    """A backend's answer with other headers."""
    told, _, body = answer.partition("\r\n\r\n") if answer.startswith(listen.HTTP) else ("", "", answer)
    pairs = [line.partition(": ")[::2] for line in told.split("\r\n")[1:]]
    headers = _changed(tuple(pairs), changes)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{listen.HTTP}{listen.status(answer)}\r\n{lines}\r\n{body}"


def _unread(visit: Visit) -> str | None:
    """What cannot or need not be read goes on byte by byte; where that fails the proxy hangs up."""
    visit.backend = backend = _weighed(visit.net, visit.route) if visit.route is not None else None
    if backend is not None and backend.places and not backend.problem:
        visit.asked = _asked(visit, backend, visit.text)
    done = bool(visit.asked) and visit.asked[-1].ending.outcome == "connected"
    visit.note("passed on" if done else "hung up")
    return visit.asked[-1].ending.payload if done else None


def _redirected(visit: Visit, route: Route, to: Redirect) -> str:
    request = visit.request
    scheme = to.scheme or ("http" if request.server_name is None else "https")
    port = f":{to.port}" if to.port not in (0, {"http": 80, "https": 443}[scheme]) else ""
    path, mark, query = request.target.partition("?")
    where = f"{scheme}://{to.host or request.host}{port}{path_after(to.path, route.match, path)}{mark}{query}"
    visit.note(to.code, where)
    return f"{listen.HTTP}{to.code}\r\nLocation: {where}\r\n\r\n"


def _request(visit: Visit, route: Route, backend: Backend) -> str:
    """The request as the backend gets it: who asked stands in a header from here on."""
    request = visit.request
    path, mark, query = request.target.partition("?")
    target = path_after(route.rewrite, route.match, path) + mark + query
    scheme = "http" if request.server_name is None else "https"
    client = (visit.dialect.forwarded, "X-Forwarded-For", visit.skb.packet.src)
    seen = (client, ("set", "X-Forwarded-Proto", scheme))
    headers = _changed(request.headers, (*seen, *route.headers, *backend.headers))
    return http.Request(request.method, target, route.rewrite_host or request.host, headers).text


def _changed(headers: tuple[tuple[str, str], ...], changes: Headers) -> tuple[tuple[str, str], ...]:
    for how, name, value in changes:
        same = [known for key, known in headers if key.lower() == name.lower()]
        others = tuple((key, known) for key, known in headers if key.lower() != name.lower())
        kept = [] if how == "set" else same
        headers = others if how == "remove" else (*others, (name, ",".join([*kept, value])))
    return headers


def _weighed(net: Net, route: Route) -> Backend | None:
    """One of a rule's backends, by their weights; None: it has none, or all weigh nothing."""
    left = [backend for backend in route.backends if backend.weight > 0]
    for n, backend in enumerate(left[:-1]):
        chance = Fraction(backend.weight, sum(other.weight for other in left[n:]))
        if net.draw(route.key, f"{backend.says} has weight {backend.weight}", chance):
            return backend
    return left[-1] if left else None


def _asked(visit: Visit, backend: Backend, text: str) -> tuple[Attempt, ...]:
    """The second connection, and further ones where the program tries again."""
    places, first = backend.places, _first(visit, backend)
    found: list[Attempt] = []
    for n in range(visit.dialect.tries):
        found.append(_connect(visit, places[(first + n) % len(places)], text))
        if found[-1].ending.outcome == "connected":
            break
    return tuple(found)


def _first(visit: Visit, backend: Backend) -> int:
    many, key = len(backend.places), (visit.skb.netns, TABLE, backend.says)
    for n in range(many - 1):
        if visit.net.draw(key, f"{backend.says}: one of {many - n}", Fraction(1, many - n)):
            return n
    return many - 1


def _connect(visit: Visit, place: Place, text: str) -> Attempt:
    """A conversation inside a conversation: in the same world, with the same dice, on the outer one's time."""
    net, patience = visit.net, visit.patience
    inner = net.within(net.time + patience)
    learned: list[Command] = []
    walk = attempt.connect(net.world, visit.skb.netns, *place, request=text, within=inner)
    found: Attempt = drive(walk, learned.append)
    net.effects += learned
    net.compared += inner.compared
    last = found.legs[-1].time if found.legs else 0.0
    net.time += patience if found.ending.outcome == "timeout" else found.seconds or last
    return found


listen.SERVERS[TABLE] = serve
