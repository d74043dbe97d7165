"""The plugin ``kubernetes``: names of the cluster become records, each type of record in its own way.

What a name means `records` knows. An A question takes the IPv4 addresses of that, AAAA the IPv6 ones; where the thing
is only a name (ExternalName) the answer is a CNAME, and the server asks itself about its target. SRV has a record for
each port with a target that is a name again, whose addresses go along as additional records. Where nothing fits the
answer carries the zone's SOA: with NXDOMAIN where the name does not exist, without an error (NODATA) where it does.

Left out: zone transfers (REFUSED), the SOA's serial as a time (it is 1 here), MX. Source: coredns/coredns
plugin/backend_lookup.go, plugin/kubernetes/handler.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.components.coredns.corefile import Directive
from k8slearn.components.coredns.query import Next, Query, ask_itself
from k8slearn.components.coredns.records import (
    NO_PORT,
    SPEC_VERSION,
    Found,
    Options,
    Unknown,
    names_of,
    options,
    own_addresses,
    records,
)
from k8slearn.dns import Message, Record, Records, absolute, is_within

SERIAL = 1
SPEC_TTL = 28800
CHASED = 8
"""So many CNAMEs are followed."""
Answered = tuple[Records, Records]
"""(answer, additional)."""


def kubernetes(query: Query, directive: Directive, following: Next) -> Message:
    """What the cluster knows of a name in one of the plugin's zones; other names are the next plugin's."""
    block = query.corefile.block(query.name, query.port, query.address)
    told = options(directive, block.zones if block is not None else (".",))
    fitting = [zone for zone in told.zones if is_within(query.name, zone)]
    if not fitting:
        return following(query)
    zone = max(fitting, key=len)
    try:
        if not query.synced:
            raise Unknown
        answer, extra = ANSWER.get(query.type, _exists)(query, told, zone)
    except Unknown:
        if told.fallthrough is not None and any(is_within(query.name, each) for each in told.fallthrough):
            return following(query)
        return _nothing(query, told, zone, "NXDOMAIN" if query.synced else "SERVFAIL")
    if not answer:
        return _nothing(query, told, zone, "NOERROR")
    return Message(query.name, query.type, response=True, authoritative=True, answer=answer, additional=extra)


def _nothing(query: Query, told: Options, zone: str, rcode: str) -> Message:
    soa = _soa(told, zone)
    return Message(query.name, query.type, response=True, authoritative=True, rcode=rcode, authority=(soa,))


def _soa(told: Options, zone: str) -> Record:
    """The record that a resolver learns from how long it may remember that there is nothing."""
    data = f"{_in('ns.dns', zone)} {_in('hostmaster', zone)} {SERIAL} 7200 1800 86400 {told.ttl}"
    return Record(zone, "SOA", told.ttl, data)


def _in(label: str, zone: str) -> str:
    return f"{label}." if zone == "." else f"{label}.{zone}"


def _found(query: Query, told: Options, zone: str) -> list[Found]:
    if query.low == _in("ns.dns", zone):
        return own_addresses(query.world, told, query.local, zone)
    return records(query.world, told, query.low, zone)


def _addresses(query: Query, told: Options, zone: str, before: tuple[str, ...] = ()) -> Answered:
    """A and AAAA."""
    out: list[Record] = []
    for found in _found(query, told, zone):
        if not found.is_name:
            if (":" in found.host) == (query.type == "AAAA"):
                out.append(Record(query.name, query.type, told.ttl, found.host))
            continue
        target = absolute(found.host)
        if target.lower() in (query.low, *before) or len(before) >= CHASED:
            continue
        own = Record(query.name, "CNAME", told.ttl, target)
        if not is_within(target, zone):
            out += (own, *ask_itself(query, target).answer)
            continue
        try:
            chased, _ = _addresses(query.about(target), told, zone, (*before, query.low))
        except Unknown:
            continue
        out += (own, *chased) if chased else ()
    return tuple(dict.fromkeys(out)), ()


def _cname(query: Query, told: Options, zone: str) -> Answered:
    names = [found for found in _found(query, told, zone) if found.is_name]
    return tuple(Record(query.name, "CNAME", told.ttl, absolute(found.host)) for found in names[:1]), ()


def _srv(query: Query, told: Options, zone: str) -> Answered:
    """All weights share 100; what has no port counts in the sharing, and gets no record."""
    found = [each for each in _found(query, told, zone) if not each.is_name]
    weight = max(1, 100 // len(found)) if found else 0
    declared = [each for each in found if each.port != NO_PORT]
    answer = [Record(query.name, "SRV", told.ttl, f"0 {weight} {each.port} {each.name}") for each in declared]
    extra = [Record(each.name, "AAAA" if ":" in each.host else "A", told.ttl, each.host) for each in declared]
    return tuple(dict.fromkeys(answer)), tuple(dict.fromkeys(extra))


def _ptr(query: Query, told: Options, zone: str) -> Answered:
    if not query.reversed:
        return _exists(query, told, zone)
    names = names_of(query.world, told, query.reversed)
    if not names:
        raise Unknown
    return tuple(Record(query.name, "PTR", told.ttl, name) for name in names), ()


def _txt(query: Query, told: Options, zone: str) -> Answered:
    if query.low == _in("dns-version", zone):
        return (Record(query.name, "TXT", SPEC_TTL, f'"{SPEC_VERSION}"'),), ()
    return _exists(query, told, zone)


def _zone_soa(query: Query, told: Options, zone: str) -> Answered:
    return ((_soa(told, zone),), ()) if query.low == zone else _exists(query, told, zone)


def _ns(query: Query, told: Options, zone: str) -> Answered:
    if query.low != zone:
        return _exists(query, told, zone)
    mine = own_addresses(query.world, told, query.local, zone)
    extra = [Record(each.name, "AAAA" if ":" in each.host else "A", told.ttl, each.host) for each in mine]
    return tuple(dict.fromkeys(Record(zone, "NS", told.ttl, each.name) for each in mine)), tuple(extra)


def _exists(query: Query, told: Options, zone: str) -> Answered:
    """Other types have no records; whether the name exists says a question for its addresses."""
    _addresses(query.about(query.name, "A"), told, zone)
    return (), ()


ANSWER: Mapping[str, Callable[[Query, Options, str], Answered]] = {
    "A": _addresses,
    "AAAA": _addresses,
    "CNAME": _cname,
    "SRV": _srv,
    "PTR": _ptr,
    "TXT": _txt,
    "SOA": _zone_soa,
    "NS": _ns,
}
