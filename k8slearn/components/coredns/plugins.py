"""The plugins that answer or change a query, but for ``kubernetes``: one function each, in a table.

Left out: ``forward``'s health checks and policies (the first upstream that answers is believed, in the order of the
file) and the connections that it keeps open for the next question, ``cache``'s capacities, prefetch and stale answers,
``rewrite`` of other things than names, the regular expressions of Go where they are not Python's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from k8slearn.components.coredns.corefile import Directive
from k8slearn.components.coredns.kubernetes import kubernetes
from k8slearn.components.coredns.query import Next, Plugin, Query
from k8slearn.components.coredns.records import options, pod_namespace
from k8slearn.dns import Message, Record, absolute, is_within, pointed
from k8slearn.errors import Refused
from k8slearn.linux import ip

FIELD = re.compile(r"\{\{\s*(?:\.(Name)|\.Group\.(\w+)|index\s+\.Match\s+(\d+)|\.Match)\s*\}\}")
HOSTS_TTL = 3600
CACHED = "dns-cache"
"""The table of a CoreDNS' cache, in its network namespace."""


def _zones(directive: Directive, arguments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(absolute, arguments)) or (".",)


def _concerns(query: Query, zones: tuple[str, ...]) -> bool:
    return any(is_within(query.name, zone) for zone in zones)


# -- forward -------------------------------------------------------------------------------------------------------


def upstreams(directive: Directive, resolv_conf: str) -> list[tuple[str, int]]:
    """The servers that ``forward FROM TO...`` names; a file means the name servers in it."""
    found: list[tuple[str, int]] = []
    for word in directive.arguments[1:]:
        if word.startswith("/"):
            found += [(server, 53) for server in _nameservers(resolv_conf)]
            continue
        word = word.removeprefix("dns://")
        address, colon, port = word.rpartition(":")
        numbered = colon and port.isdecimal() and ip.is_address(address.strip("[]"))
        found.append((address.strip("[]"), int(port)) if numbered else (word.strip("[]"), 53))
    return found


def check_upstreams(directive: Directive) -> None:
    """Raises Refused where a server is neither an address nor a file (plugin/pkg/parse/host.go)."""
    first, *words = directive.arguments
    servers = tuple(word for word in words if not word.startswith("/"))
    for address, _ in upstreams(directive._replace(arguments=(first, *servers)), ""):
        if not ip.is_address(address):
            raise Refused(f'plugin/forward: not an IP address or file: "{address}"')


def _nameservers(resolv_conf: str) -> list[str]:
    lines = [line.split() for line in resolv_conf.splitlines()]
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def forward(query: Query, directive: Directive, following: Next) -> Message:
    """Names of the zone are asked of another server, and its answer is handed on as it is; none: SERVFAIL.

    It asks over what it was asked over itself, unless ``force_tcp`` or ``prefer_udp`` says otherwise
    (plugin/pkg/proxy/connect.go)."""
    within = _concerns(query, _zones(directive, directive.arguments[:1]))
    if not within or _concerns_any(query, directive.option("except")):
        return following(query)
    prefers_udp, forced = (directive.option(name) is not None for name in ("prefer_udp", "force_tcp"))
    proto = "tcp" if forced else "udp" if prefers_udp else query.proto
    for address, port in upstreams(directive, query.resolv_conf):
        answer = query.upstream(address, port, query.question, proto)
        if answer is not None and answer.truncated and prefers_udp and not forced:
            answer = query.upstream(address, port, query.question, "tcp")
        if answer is not None:
            return answer
    return query.question.reply("SERVFAIL")


def _concerns_any(query: Query, names: tuple[str, ...] | None) -> bool:
    return bool(names) and _concerns(query, tuple(map(absolute, names or ())))


# -- cache ---------------------------------------------------------------------------------------------------------


class Cached(NamedTuple):
    """An answer that is remembered: since and until which second."""

    answer: Message
    since: float
    until: float


def cache(query: Query, directive: Directive, following: Next) -> Message:
    """Answers are remembered as long as their records say, but no longer than ``cache SECONDS``, nor than its lines
    ``success CAPACITY SECONDS`` and ``denial CAPACITY SECONDS`` say of their kind.

    What comes from the cache says that it is authoritative, whoever it is from (plugin/cache/item.go: toMsg)."""
    limit = int(directive.arguments[0]) if directive.arguments[:1] and directive.arguments[0].isdecimal() else 0
    zones = _zones(directive, directive.arguments[bool(limit) :])
    if not _concerns(query, zones):
        return following(query)
    key, now = (query.low, query.type), query.world.clock
    known: Cached | None = query.recall(key)
    if known is not None and known.since <= now < known.until:
        query.hit(key, known.until)
        return _aged(query, known, now)
    answer = following(query)
    kind = "success" if answer.rcode == "NOERROR" and answer.answer else "denial"
    seconds = _kept(directive, kind, _lifetime(answer), limit)
    if (
        seconds
        and not answer.truncated
        and answer.rcode in ("NOERROR", "NXDOMAIN")
        and not _is_disabled(query, directive, kind)
    ):
        query.remember(key, Cached(answer, now, now + seconds))
    return _capped(answer, seconds)


LONGEST, LEAST = {"success": 3600, "denial": 1800}, 5
"""Seconds (plugin/pkg/dnsutil/ttl.go)."""


def _kept(directive: Directive, kind: str, lifetime: int | None, limit: int) -> int:
    """For how many seconds: what the records say, within this cache's bounds (plugin/cache/cache.go: computeTTL)."""
    if lifetime is None:
        return 0
    words = directive.option(kind) or ()
    most = int(words[1]) if len(words) > 1 else limit or LONGEST[kind]
    least = int(words[2]) if len(words) > 2 else LEAST
    return min(max(lifetime, least), most)


def _aged(query: Query, known: Cached, now: float) -> Message:
    left = max(0, int(known.until - now))
    return replace(_with_ttl(known.answer, lambda ttl: left), name=query.name, authoritative=True)


def _with_ttl(answer: Message, ttl: Callable[[int], int]) -> Message:
    """The same records, promising other lifetimes."""
    answered, authority, additional = (
        tuple(record._replace(ttl=ttl(record.ttl)) for record in section)
        for section in (answer.answer, answer.authority, answer.additional)
    )
    return replace(answer, answer=answered, authority=authority, additional=additional)


def _capped(answer: Message, seconds: int) -> Message:
    """What leaves the cache promises what the cache itself keeps."""
    return _with_ttl(answer, lambda ttl: seconds) if seconds else answer


def _lifetime(answer: Message) -> int | None:
    """The least TTL of its records; of a denial the SOA's, and without one it cannot be remembered."""
    records = answer.answer or tuple(record for record in answer.authority if record.type == "SOA")
    return min((record.ttl for record in records), default=None)


def _is_disabled(query: Query, directive: Directive, kind: str) -> bool:
    off = [line[2:] for line in directive.lines if line[:2] == ("disable", kind)]
    return any(_concerns(query, tuple(map(absolute, zones)) or (".",)) for zones in off)


# -- others --------------------------------------------------------------------------------------------------------


def loadbalance(query: Query, directive: Directive, following: Next) -> Message:
    """Several addresses come in another order each time; CNAMEs stay in front."""
    answer = following(query)
    moving = [record for record in answer.answer if record.type in ("A", "AAAA", "MX")]
    if len(moving) < 2:
        return answer
    at = query.turn % len(moving)
    names = tuple(record for record in answer.answer if record.type == "CNAME")
    others = tuple(record for record in answer.answer if record not in moving and record not in names)
    return replace(answer, answer=(*names, *others, *moving[at:], *moving[:at]))


def template(query: Query, directive: Directive, following: Next) -> Message:
    """``template IN A example.org { answer "{{ .Name }} 60 IN A 192.0.2.1" }``: answers that are written out."""
    kind = directive.arguments[1] if len(directive.arguments) > 1 else "ANY"
    if kind not in ("ANY", query.type) or not _concerns(query, _zones(directive, directive.arguments[2:])):
        return following(query)
    patterns = [pattern for line in directive.lines if line[0] == "match" for pattern in line[1:]] or [".*"]
    match = next((found for pattern in patterns if (found := re.search(pattern, query.low))), None)
    if match is None:
        through = directive.option("fallthrough")
        passes = through is not None and _concerns(query, tuple(map(absolute, through)) or (".",))
        return following(query) if passes else query.question.reply("NXDOMAIN")
    rcode = (directive.option("rcode") or ("NOERROR",))[0]
    answer, authority, extra = (
        tuple(_written(query, match, directive, name)) for name in ("answer", "authority", "additional")
    )
    return Message(query.name, query.type, 0, True, rcode, True, False, True, False, answer, authority, extra)


def _written(query: Query, match: re.Match[str], directive: Directive, section: str) -> list[Record]:
    out = []
    for line in directive.lines:
        if line[0] == section:
            words = FIELD.sub(lambda field: _field(query, match, field), " ".join(line[1:])).split(maxsplit=4)
            out.append(Record(absolute(words[0]), words[3], int(words[1]), words[4]))
    return out


def _field(query: Query, match: re.Match[str], field: re.Match[str]) -> str:
    name, group, number = field.groups()
    return query.name if name else str(match[group] if group else match[int(number or 0)])


def hosts(query: Query, directive: Directive, following: Next) -> Message:
    """Lines as in /etc/hosts, of a file or written out in the Corefile."""
    inline = [" ".join(line) for line in directive.lines if ip.is_address(line[0])]
    words = directive.arguments
    file, zones = (words[0], words[1:]) if words[:1] and words[0].startswith("/") else ("/etc/hosts", words)
    if not _concerns(query, _zones(directive, zones)):
        return following(query)
    text = query.files(file) + "\n" + "\n".join(inline)
    ttl = int((directive.option("ttl") or (str(HOSTS_TTL),))[0])
    entries = [line.partition("#")[0].split() for line in text.splitlines()]
    known = [(entry[0], [absolute(name.lower()) for name in entry[1:]]) for entry in entries if len(entry) > 1]
    if query.type == "PTR" and query.reversed:
        data = [names[0] for address, names in known if pointed(query.name) == address]
    else:
        data = [a for a, names in known if query.low in names and (":" in a) == (query.type == "AAAA")]
    if not data or query.type not in ("A", "AAAA", "PTR"):
        through = directive.option("fallthrough")
        exists = any(query.low in names for _, names in known)
        if exists:
            return Message(query.name, query.type, response=True, authoritative=True)
        passes = through is not None and _concerns(query, tuple(map(absolute, through)) or (".",))
        return following(query) if passes else query.question.reply("SERVFAIL")
    answer = tuple(Record(query.name, query.type, ttl, each) for each in data)
    return Message(query.name, query.type, response=True, authoritative=True, answer=answer)


REWRITE: Mapping[str, Callable[[str, str, str], str | None]] = {
    "exact": lambda name, old, new: absolute(new) if name == absolute(old) else None,
    "prefix": lambda name, old, new: new + name.removeprefix(old) if name.startswith(old) else None,
    "suffix": lambda name, old, new: (
        name.removesuffix(absolute(old)) + absolute(new) if name.endswith(absolute(old)) else None
    ),
    "substring": lambda name, old, new: name.replace(old, new) if old in name else None,
    "regex": lambda name, old, new: _by_pattern(name, old, new),
}
"""``rewrite name KIND OLD NEW``: the new name, or None where the rule does not fit."""


def _by_pattern(name: str, old: str, new: str) -> str | None:
    match = re.search(old, name)
    if match is None:
        return None
    return absolute(re.sub(r"\{(\d+)\}", lambda field: match[int(field[1])] or "", new))


def rewrite(query: Query, directive: Directive, following: Next) -> Message:
    """A name is asked as another one; whoever asked sees the name that they asked for."""
    words = [word for word in directive.arguments if word not in ("stop", "continue")]
    if words[:1] != ["name"] or len(words) < 3:
        return following(query)
    kind, old, new = (words[1], *words[2:4]) if words[1] in REWRITE else ("exact", *words[1:3])
    changed = REWRITE[kind](query.low, old, new)
    if changed is None:
        return following(query)
    answer = following(query.about(changed))
    back = tuple(
        record._replace(name=query.name) if record.name.lower() == changed.lower() else record
        for record in answer.answer
    )
    return replace(answer, name=query.name, answer=back)


def autopath(query: Query, directive: Directive, following: Next) -> Message:
    """The server walks the asker's search list itself: who asks for the first name of it gets the last one's answer."""
    search = _search(query, directive)
    if query.type not in ("A", "AAAA") or not search or not query.low.endswith(f".{search[0]}"):
        return following(query)
    base = query.name[: -len(search[0])]
    first = None
    for domain in (*search, ""):
        answer = following(query.about(base + domain))
        first = first or answer
        if answer.rcode in ("NOERROR", "NXDOMAIN") and answer.rcode != "NXDOMAIN":
            same = domain == search[0] or not answer.answer
            alias = () if same else (Record(query.name, "CNAME", answer.answer[0].ttl, answer.answer[0].name),)
            return replace(answer, name=query.name, answer=(*alias, *answer.answer))
    return replace(first, name=query.name) if first is not None else query.question.reply("SERVFAIL")


def _search(query: Query, directive: Directive) -> list[str]:
    """The search list of the Pod that asks, which is found by its address."""
    block = query.corefile.block(query.name, query.port, query.address)
    source = block.plugin("kubernetes") if block is not None and directive.arguments[-1:] == ("@kubernetes",) else None
    namespace = pod_namespace(query.world, query.client) if source is not None and query.client else ""
    if source is None or block is None or not namespace:
        return []
    zone = options(source, block.zones).primary
    return [f"{namespace}.svc.{zone}", f"svc.{zone}", zone]


def whoami(query: Query, directive: Directive, following: Next) -> Message:
    """The asker's own address, as additional record."""
    kind = "AAAA" if ":" in query.client else "A"
    extra = (Record(query.name, kind, 0, query.client),) if query.client else ()
    return Message(query.name, query.type, response=True, authoritative=True, additional=extra)


PLUGINS: Mapping[str, Plugin] = {
    "loadbalance": loadbalance,
    "cache": cache,
    "rewrite": rewrite,
    "autopath": autopath,
    "template": template,
    "hosts": hosts,
    "kubernetes": kubernetes,
    "forward": forward,
    "whoami": whoami,
}
"""Those that have a part in an answer; the others of the Corefile open ports, watch files or write logs."""
