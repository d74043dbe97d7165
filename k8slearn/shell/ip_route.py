"""``ip route show``: the routing tables, as iproute2 prints them.

The table ``main`` holds the rows that people and daemons wrote. The table ``local`` holds nobody's rows: the kernel
makes it of the addresses (fib_frontend.c: fib_add_ifaddr), so here it is computed when somebody looks. A dump goes by
destination number, then by prefix length, longest first, then by metric (fib_trie.c); in IPv6 a network comes after all
that lies in it (ip6_fib.c: fib6_walk). Tables come by their number.

Left out: multipath, route metrics other than ``mtu``, caches.
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
NUMBERS = {"all": 0, "default": 253, "main": 254, "local": 255}
"""/etc/iproute2/rt_tables: the tables with a name. A table of one's own has a number."""
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
    family: str = ""
    """``4``, ``6``; empty (for all tables) means both."""

    def takes(self, route: Route) -> bool:
        plain = all(getattr(self, name) in ("", getattr(route, name)) for name in PLAIN)
        return plain and self.table in ("all", route.table) and self._in_place(route)

    def _in_place(self, route: Route) -> bool:
        base, length = ip.network(route.dst)
        width = ip.bits(route.dst)
        if any(place and ip.bits(place) != width for place in (self.root, self.match)):
            return False
        if self.root:
            root, shortest = ip.network(self.root)
            if length < shortest or base & ip.mask(shortest, width) != root:
                return False
        if self.match:
            wanted, longest = ip.network(self.match)
            return length <= longest and wanted & ip.mask(length, width) == base
        return True


PLAIN = ("dev", "via", "src", "proto", "scope", "kind")


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip route show [table T] [dev D] [via G] [proto P] [scope S] [type K] [root|match|exact PREFIX]``."""
    yield from ()
    wanted = read_filter(process, options, words)
    rows = [fields(process, options, route, wanted) for route in selected(process, wanted)]
    return answer(replace(options, oneline=False), rows, text)


def selected(process: Process, wanted: Filter) -> list[Route]:
    """The routes that the filter takes, in the order of a dump."""
    own: list[Route] = list(process.world.table(process.netns, "route").values())
    six = {"4": (False,), "6": (True,), "": (False, True)}[wanted.family]
    if wanted.table not in NUMBERS and not any(r.table == wanted.table and (":" in r.dst) in six for r in own):
        raise CommandError(f"Error: ipv{wanted.family or 4}: FIB table does not exist.\nDump terminated\n", 2)
    derived = sorted(localtable.derived(process.world, process.netns), key=lambda route: route.kind)
    taken = [route for route in (*derived, *own) if (":" in route.dst) in six and wanted.takes(route)]
    return sorted(taken, key=order)


def order(route: Route) -> tuple[bool, int, int, int, int, int]:
    """Where a route stands in a dump."""
    six, number = ":" in route.dst, int(NUMBERS.get(route.table, route.table))
    base, length = ip.network(route.dst)
    last = base | ~ip.mask(length, 128) & (1 << 128) - 1 if six else base
    return six, number & 255, number, last, -length, route.metric


def read_filter(process: Process, options: Options, words: Words) -> Filter:
    """What stands after ``ip route show`` or ``flush``."""
    wanted = Filter(family=options.family)
    while words:
        word = words.take()
        if word == "table":
            wanted.table = table(words.take(), "table id value is invalid")
        elif word in ("dev", "oif", "iif"):
            wanted.dev = _device(process, words.take())
        elif word in READERS:
            name, reader = READERS[word]
            setattr(wanted, name, reader(words.take()))
        elif word in ("vrf", "cache", "cloned", "tos", "realms"):
            not_modelled(f"ip route show {word}")
        else:
            _place(wanted, word, words)
    if not wanted.family and any(":" in place for place in (wanted.root, wanted.match, wanted.via, wanted.src)):
        wanted.family = "6"
    wanted.family = wanted.family or ("" if wanted.table == "all" else "4")
    return wanted


def _place(wanted: Filter, word: str, words: Words) -> None:
    """``root P``, ``match P``, ``exact P``, or a prefix alone, which means exact."""
    word = words.take() if word == "to" else word
    how = word if word in ("root", "match", "exact") else "exact"
    prefix = network(words.take() if word == how else word, wanted.family)
    if how in ("root", "exact"):
        wanted.root = prefix
    if how in ("match", "exact"):
        wanted.match = prefix


def network(word: str, family: str = "") -> str:
    """A destination as the world keeps it: ``default`` is 0.0.0.0/0 (or ::/0), an address alone is a /32 (or /128)."""
    if word in ("default", "any", "all"):
        return ip.ANY6 if family == "6" else ip.ANY
    base, _, length = word.partition("/")
    four = ":" not in word
    padded = ".".join([*base.split("."), "0", "0", "0"][:4]) if length and four else base
    try:
        ip.network(f"{padded}/{length}" if length else padded)
        if (family or "46"[not four]) != "46"[not four]:
            raise ValueError
    except ValueError:
        expected({"": "any valid prefix", "4": "inet prefix", "6": "inet6 prefix"}[family], word)
    return f"{ip.canonical(padded)}/{length or ip.bits(padded)}"


def gateway(word: str) -> str:
    """A gateway or source address."""
    try:
        return ip.canonical(word)
    except ValueError:
        expected("inet address", word)


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


def table(word: str, complaint: str) -> str:
    """The name of a table: ``main``, or a number."""
    names = {str(number): name for name, number in NUMBERS.items()}
    if word not in NUMBERS and not (word.isdecimal() and int(word) < 1 << 32):
        wrong(word, complaint)
    return names.get(word, word)


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
    six = ":" in route.dst
    row: Fields = {"type": route.kind} if route.kind != "unicast" or options.details else {}
    row["dst"] = "default" if route.dst in (ip.ANY, ip.ANY6) else route.dst.removesuffix("/128" if six else "/32")
    row |= {"gateway": route.via} if route.via and not wanted.via else {}
    row |= {"dev": route.dev} if route.dev and not wanted.dev else {}
    row |= {"table": route.table} if route.table != "main" and wanted.table == "all" else {}
    row |= {"protocol": route.proto} if (route.proto != "boot" or options.details) and not wanted.proto else {}
    row |= {"scope": route.scope} if (route.scope != "global" or options.details) and not wanted.scope else {}
    row |= {"prefsrc": route.src} if route.src and not wanted.src else {}
    row |= {"metric": route.metric} if route.metric or six else {}
    row["flags"] = _flags(process, route)
    row |= {"metrics": [{"mtu": route.mtu}]} if route.mtu else {}
    row |= {"mtu_lock": True} if route.mtu_lock and not options.json else {}
    return row | ({"pref": "medium"} if six else {})


def _flags(process: Process, route: Route) -> list[str]:
    link: Link | None = process.world.get((process.netns, "link", route.dev))
    down = link is not None and route.kind != "local" and not carrier(process.world, process.netns, link)
    return [*(["onlink"] if route.onlink else []), *(["linkdown"] if down else [])]


KEYWORDS = {"gateway": "via", "dev": "dev", "table": "table", "protocol": "proto", "scope": "scope", "prefsrc": "src"}


def text(row: Fields) -> str:
    """One route, one line; iproute2 leaves a space behind (but after IPv6's ``pref``)."""
    words = [row["type"]] if "type" in row else []
    words.append(row["dst"])
    for name, keyword in (KEYWORDS | {"metric": "metric"}).items():
        words += [keyword, str(row[name])] if name in row else []
    words += row["flags"]
    for metrics in row.get("metrics", ()):
        words += ["mtu", *(["lock"] if "mtu_lock" in row else []), str(metrics["mtu"])]
    return " ".join([*words, "pref", row["pref"]]) + "\n" if "pref" in row else " ".join(words) + " \n"


COMMANDS = {"list": show, "show": show, "lst": show}
