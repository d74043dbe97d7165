"""``ip route show``: the routing tables, as iproute2 prints them.

The table ``main`` holds the rows that people and daemons wrote. The table ``local`` holds nobody's rows: the kernel
makes it of the addresses (fib_frontend.c: fib_add_ifaddr), so here it is computed when somebody looks. A dump goes by
destination number, then by prefix length, longest first, then by metric (fib_trie.c).

Left out: multipath, route metrics, caches, and tables of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from k8slearn.errors import CommandError
from k8slearn.linux import ip, localtable
from k8slearn.linux.device import carrier
from k8slearn.linux.program import Running
from k8slearn.linux.rows import Link, Route
from k8slearn.shell.iproute import Fields, Options, Words, answer, expected, not_modelled, wrong
from k8slearn.shell.process import Process

KINDS = (
    "unicast",
    "local",
    "broadcast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "multicast",
    "anycast",
    "nat",
)
TABLES = {"main": "main", "254": "main", "local": "local", "255": "local", "all": "all", "0": "all"}
PROTOCOLS = {"redirect": 1, "kernel": 2, "boot": 3, "static": 4, "ra": 9, "bird": 12, "dhcp": 16, "bgp": 186}
SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}


@dataclass(slots=True)
class Filter:
    """Which routes a person asked for; a field that is named here is not printed again."""

    table: str = "main"
    dev: str = ""
    via: str = ""
    src: str = ""
    proto: str = ""
    scope: str = ""
    kind: str = ""
    root: str = ""
    """Only what lies in this prefix."""
    match: str = ""
    """Only what this prefix lies in."""

    def takes(self, route: Route) -> bool:
        plain = all(getattr(self, name) in ("", getattr(route, name)) for name in PLAIN)
        return plain and self.table in ("all", route.table) and self._in_place(route)

    def _in_place(self, route: Route) -> bool:
        base, length = ip.network(route.dst)
        if self.root:
            root, shortest = ip.network(self.root)
            if length < shortest or base & ip.mask(shortest) != root:
                return False
        if self.match:
            wanted, longest = ip.network(self.match)
            return length <= longest and wanted & ip.mask(length) == base
        return True


PLAIN = ("dev", "via", "src", "proto", "scope", "kind")


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip route show [table T] [dev D] [via G] [proto P] [scope S] [type K] [root|match|exact PREFIX]``."""
    yield from ()
    wanted = read_filter(process, words)
    rows = (
        [fields(process, options, route, wanted) for route in selected(process, wanted)]
        if options.family != "6"
        else []
    )
    return answer(replace(options, oneline=False), rows, text)


def selected(process: Process, wanted: Filter) -> list[Route]:
    """The routes that the filter takes, in the order of a dump."""
    main: list[Route] = sorted(process.world.table(process.netns, "route").values(), key=order)
    local = localtable.derived(process.world, process.netns)
    everything = [*main, *sorted(local, key=lambda route: (*order(route), route.kind))]
    if wanted.table not in ("main", "all", "local") and not any(r.table == wanted.table for r in main):
        raise CommandError("Error: ipv4: FIB table does not exist.\nDump terminated\n", 2)
    return [route for route in everything if wanted.takes(route)]


def order(route: Route) -> tuple[int, int, int]:
    """Where a route stands in a dump."""
    base, length = ip.network(route.dst)
    return base, -length, route.metric


def read_filter(process: Process, words: Words) -> Filter:
    """What stands after ``ip route show`` or ``flush``."""
    wanted = Filter()
    while words:
        word = words.take()
        if word == "table":
            wanted.table = _table(words.take())
        elif word in ("dev", "oif", "iif"):
            wanted.dev = _device(process, words.take())
        elif word in READERS:
            name, reader = READERS[word]
            setattr(wanted, name, reader(words.take()))
        elif word in ("vrf", "cache", "cloned", "tos", "realms"):
            not_modelled(f"ip route show {word}")
        else:
            _place(wanted, word, words)
    return wanted


def _place(wanted: Filter, word: str, words: Words) -> None:
    """``root P``, ``match P``, ``exact P``, or a prefix alone, which means exact."""
    word = words.take() if word == "to" else word
    how = word if word in ("root", "match", "exact") else "exact"
    prefix = network(words.take() if word == how else word)
    if how in ("root", "exact"):
        wanted.root = prefix
    if how in ("match", "exact"):
        wanted.match = prefix


def network(word: str) -> str:
    """A destination as the world keeps it: ``default`` is 0.0.0.0/0, an address alone is a /32."""
    if word in ("default", "any", "all"):
        return ip.ANY
    base, _, length = word.partition("/")
    padded = ".".join([*base.split("."), "0", "0", "0"][:4]) if length else base
    try:
        ip.network(f"{padded}/{length}" if length else padded)
    except ValueError:
        expected("any valid prefix", word)
    return f"{padded}/{length or 32}"


def gateway(word: str) -> str:
    """A gateway or source address."""
    try:
        ip.number(word)
    except ValueError:
        expected("inet address", word)
    return word


def protocol(word: str) -> str:
    """``kernel``, ``boot``, ``static``, or a number."""
    names = {str(number): name for name, number in PROTOCOLS.items()}
    if word not in PROTOCOLS and not (word.isdigit() and int(word) < 256):
        wrong(word, '"protocol" value is invalid')
    return names.get(word, word)


def scope(word: str) -> str:
    """``global``, ``link``, ``host``."""
    names = {str(number): name for name, number in SCOPES.items()}
    if word not in SCOPES and not (word.isdigit() and int(word) < 256):
        wrong(word, 'invalid "scope" value')
    return names.get(word, word)


def _kind(word: str) -> str:
    if word not in KINDS:
        wrong(word, "node type value is invalid")
    return word


def _table(word: str) -> str:
    if word not in TABLES and word != "default" and not word.isdigit():
        wrong(word, "table id value is invalid")
    return TABLES.get(word, word)


def _device(process: Process, name: str) -> str:
    if name not in process.world.table(process.netns, "link"):
        raise CommandError(f'Cannot find device "{name}"\n', 1)
    return name


READERS = {
    "via": ("via", gateway),
    "src": ("src", gateway),
    "proto": ("proto", protocol),
    "protocol": ("proto", protocol),
    "scope": ("scope", scope),
    "type": ("kind", _kind),
}


def fields(process: Process, options: Options, route: Route, wanted: Filter) -> Fields:
    """A route in iproute2's JSON form."""
    row: Fields = {"type": route.kind} if route.kind != "unicast" or options.details else {}
    row["dst"] = "default" if route.dst == ip.ANY else route.dst.removesuffix("/32")
    row |= {"gateway": route.via} if route.via and not wanted.via else {}
    row |= {"dev": route.dev} if route.dev and not wanted.dev else {}
    row |= {"table": route.table} if route.table != "main" and wanted.table == "all" else {}
    row |= {"protocol": route.proto} if (route.proto != "boot" or options.details) and not wanted.proto else {}
    row |= {"scope": route.scope} if (route.scope != "global" or options.details) and not wanted.scope else {}
    row |= {"prefsrc": route.src} if route.src and not wanted.src else {}
    row |= {"metric": route.metric} if route.metric else {}
    return row | {"flags": _flags(process, route)}


def _flags(process: Process, route: Route) -> list[str]:
    link: Link | None = process.world.get((process.netns, "link", route.dev))
    down = link is not None and route.kind != "local" and not carrier(process.world, process.netns, link)
    return [*(["onlink"] if route.onlink else []), *(["linkdown"] if down else [])]


KEYWORDS = {"gateway": "via", "dev": "dev", "table": "table", "protocol": "proto", "scope": "scope", "prefsrc": "src"}


def text(row: Fields) -> str:
    """One route, one line; iproute2 leaves a space behind."""
    words = [row["type"]] if "type" in row else []
    words.append(row["dst"])
    for name, keyword in (KEYWORDS | {"metric": "metric"}).items():
        words += [keyword, str(row[name])] if name in row else []
    return " ".join([*words, *row["flags"]]) + " \n"


COMMANDS = {"list": show, "show": show, "lst": show}
