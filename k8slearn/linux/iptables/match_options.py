"""iptables asks about a packet by matches (``-m NAME``), each with options of its own, printed in one order.

What they ask of a packet is in `linux/matches.py`.

Left out: the matches in `NOT_MODELLED` and some options, which are refused by name; for what iptables itself does not
know its own sentence answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slearn.linux.iptables import values
from k8slearn.linux.iptables.extension import Extension, Option, Said, Told, flag, needs_one
from k8slearn.linux.iptables.values import Given
from k8slearn.linux.iptables.words import fail

STATES = ("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED")
STATUSES = ("NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED")
TYPES = (
    *("UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT"),
    *("THROW", "NAT", "XRESOLVE"),
)
ALL_PORTS = "0:65535"
SYN = "FIN,SYN,RST,ACK SYN"


def _ports_complete(told: Told, given: Given) -> Told:
    """All ports is no condition, and a range from 0 on is turned round where ``!`` stands before it."""
    whole = (Said(ALL_PORTS), Said("NONE NONE"))
    return {option: _turned(said) for option, said in told.items() if said not in whole}


def _turned(said: Said) -> Said:
    low, colon, high = said.value.partition(":")
    if not said.negated or not colon or low != "0" or said.value == ALL_PORTS:
        return said
    return Said(f"{int(high) + 1}:65535" if high != "65534" else "65535")


def _tcp_complete(told: Told, given: Given) -> Told:
    if "--syn" in told:
        told = {**told, "--tcp-flags": Said(SYN, told["--syn"].negated)}
        del told["--syn"]
    return _ports_complete(told, given)


PORT = Option(read=values.ports, negatable=True)
PORT_NAMES = {"--source-port": "--sport", "--destination-port": "--dport"}
PORTS_ONCE = {
    f"--{short}": f"Only one `--{long}' allowed"
    for long, short in (("source-port", "sport"), ("destination-port", "dport"))
}


def _statistic_complete(told: Told, given: Given) -> Told:
    """A chance for each packet, or every nth of them."""
    nth = told.get("--mode", Said("random")).value == "nth"
    if not nth and "--probability" not in told:
        raise fail("--probability must be specified when using random mode")
    if nth and "--every" not in told and "--packet" not in told:
        raise fail("--every and --packet must be specified when using nth mode")
    if int(told.get("--packet", Said("0")).value) >= int(told.get("--every", Said("1")).value):
        raise fail("the --packet p must be 0 <= p <= n-1")
    mine = ("--mode", "--every", "--packet") if nth else ("--mode", "--probability")
    return {option: what for option, what in told.items() if option in mine}


RECENT = ("--set", "--rcheck", "--update", "--remove")


def _recent_complete(told: Told, given: Given) -> Told:
    """A list is called DEFAULT, and remembers whole sources, where nobody says otherwise."""
    if not any(option in told for option in RECENT):
        raise fail("recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'")
    whole = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" if given.family == "ip6" else "255.255.255.255"
    told = {"--name": Said("DEFAULT"), "--mask": Said(whole), **told}
    last = next((option for option in reversed(told) if option in ("--rsource", "--rdest")), "--rsource")
    quiet = {"--rsource", "--rdest"} | ({"--hitcount"} if told.get("--hitcount", Said()).value == "0" else set())
    return {**{option: said for option, said in told.items() if option not in quiet}, last: Said()}


def _limit_complete(told: Told, given: Given) -> Told:
    """``3/hour`` and a burst of 5 are the usual; the burst is printed where it is not."""
    told = {"--limit": Said("3/hour"), **told}
    return {o: said for o, said in told.items() if o == "--limit" or said.value not in ("0", "5")}


def _set_complete(told: Told, given: Given) -> Told:
    if "--match-set" not in told:
        raise fail("You must specify `--match-set' with proper arguments")
    return told


ONE_OF_TYPES = "addrtype: you must specify --src-type or --dst-type"
ONE_OF_TTL = "TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt"
ONE_OF_HL = "HL match: You must specify one of `--hl-eq', `--hl-lt', `--hl-gt'"
ONE_OF_RANGES = "iprange match: You must specify `--src-range' or `--dst-range'"
CONNTRACK = {
    "--ctstate": Option(read=values.some_of((*STATES, "SNAT", "DNAT"), 'Bad ctstate "{}"'), negatable=True),
    "--ctproto": Option(read=lambda v, g: str(values.protocol_number(v)), negatable=True),
    **{
        f"--ct{side}": Option(read=values.host_and_mask, negatable=True)
        for side in ("origsrc", "origdst", "replsrc", "repldst")
    },
    **{
        f"--ct{side}port": Option(read=values.conntrack_ports, negatable=True)
        for side in ("origsrc", "origdst", "replsrc", "repldst")
    },
    "--ctstatus": Option(read=values.some_of(STATUSES, 'Bad ctstatus "{}"'), negatable=True),
    "--ctexpire": Option(read=values.span(values.ALL_BITS), negatable=True),
    "--ctdir": Option(
        read=values.one_of(("ORIGINAL", "REPLY"), 'conntrack: Bad value for "--ctdir" option: "{}"', upper=True)
    ),
}

MATCHES: Mapping[str, Extension] = {
    "comment": Extension({"--comment": Option(read=values.at_most(255), quoted=True)}, needs=("--comment",)),
    "conntrack": Extension(
        CONNTRACK, complete=needs_one(*CONNTRACK, words="conntrack: At least one option is required")
    ),
    "state": Extension(
        {"--state": Option(read=values.some_of(STATES, 'Bad state "{}"'), negatable=True)}, needs=("--state",)
    ),
    "mark": Extension({"--mark": Option(read=values.mark, negatable=True)}, needs=("--mark",)),
    "connmark": Extension({"--mark": Option(read=values.mark, negatable=True)}, needs=("--mark",)),
    "statistic": Extension(
        {
            "--mode": Option(read=values.one_of(("random", "nth"), 'Bad mode "{}"')),
            "--probability": Option(read=values.probability, negatable=True),
            "--every": Option(read=values.positive, negatable=True),
            "--packet": Option(read=values.u32),
        },
        needs=("--mode",),
        also={"--every": "--packet", "--packet": "--every"},
        complete=_statistic_complete,
    ),
    "addrtype": Extension(
        {
            **{
                f"--{s}-type": Option(read=values.some_of(TYPES, 'addrtype: bad type "{}"'), negatable=True)
                for s in ("src", "dst")
            },
            "--limit-iface-in": flag(),
            "--limit-iface-out": flag(),
        },
        apart=(frozenset({"--limit-iface-in", "--limit-iface-out"}),),
        complete=needs_one("--src-type", "--dst-type", words=ONE_OF_TYPES),
    ),
    "set": Extension(
        {
            "--match-set": Option(2, values.set_and_sides, True),
            **{
                f"--{what}": Option(0, values.not_modelled)
                for what in ("return-nomatch", "update-counters", "update-subcounters")
            },
            **{
                f"--{what}-{how}": Option(1, values.not_modelled, True)
                for what in ("packets", "bytes")
                for how in ("eq", "lt", "gt")
            },
        },
        complete=_set_complete,
    ),
    "multiport": Extension(
        {f"--{what}": Option(read=values.many_ports, negatable=True) for what in ("sports", "dports", "ports")},
        aliases={"--source-ports": "--sports", "--destination-ports": "--dports"},
        apart=(frozenset({"--sports", "--dports", "--ports"}),),
        called={"--sports": "--source-ports", "--dports": "--destination-ports"},
        complete=needs_one("--sports", "--dports", "--ports", words="multiport expection an option"),
    ),
    "recent": Extension(
        {
            **{option: flag(negatable=True) for option in RECENT},
            "--seconds": Option(read=values.positive),
            "--reap": flag(),
            "--hitcount": Option(read=values.u32),
            "--rttl": flag(),
            "--name": Option(read=values.at_most(199)),
            "--mask": Option(read=values.plain_address),
            "--rsource": flag(),
            "--rdest": flag(),
        },
        also={"--reap": "--seconds"},
        not_with={"--rttl": ("--set", "--remove")},
        apart=(frozenset(RECENT),),
        complete=_recent_complete,
    ),
    "physdev": Extension(
        {
            "--physdev-is-in": flag(negatable=True),
            "--physdev-in": Option(read=values.interface, negatable=True),
            "--physdev-is-out": flag(negatable=True),
            "--physdev-out": Option(read=values.interface, negatable=True),
            "--physdev-is-bridged": flag(negatable=True),
        },
        complete=lambda told, given: told or _refuse("PHYSDEV: no physdev option specified"),
    ),
    "tcp": Extension(
        {
            "--sport": PORT,
            "--dport": PORT,
            "--tcp-flags": Option(2, read=values.tcp_flags, negatable=True),
            "--syn": flag(negatable=True),
            "--tcp-option": Option(read=values.not_modelled, negatable=True),
        },
        aliases=PORT_NAMES,
        complete=_tcp_complete,
        once={
            **PORTS_ONCE,
            "--syn": "Only one of `--syn' or `--tcp-flags'  allowed",
            "--tcp-flags": "Only one of `--syn' or `--tcp-flags'  allowed",
        },
    ),
    "udp": Extension({"--sport": PORT, "--dport": PORT}, aliases=PORT_NAMES, complete=_ports_complete, once=PORTS_ONCE),
    "sctp": Extension(
        {"--sport": PORT, "--dport": PORT, "--chunk-types": Option(2, values.not_modelled, negatable=True)},
        aliases=PORT_NAMES,
        once=PORTS_ONCE,
    ),
    "icmp": Extension(
        {"--icmp-type": Option(read=values.icmp4, negatable=True)}, needs=("--icmp-type",), families=("ip",)
    ),
    "icmp6": Extension(
        {"--icmpv6-type": Option(read=values.icmp6, negatable=True)}, needs=("--icmpv6-type",), families=("ip6",)
    ),
    "limit": Extension(
        {"--limit": Option(read=values.rate), "--limit-burst": Option(read=values.number(0, 10000))},
        complete=_limit_complete,
    ),
    "iprange": Extension(
        {f"--{side}-range": Option(read=values.address_range, negatable=True) for side in ("src", "dst")},
        complete=needs_one("--src-range", "--dst-range", words=ONE_OF_RANGES),
    ),
    "mac": Extension({"--mac-source": Option(read=values.mac, negatable=True)}, needs=("--mac-source",)),
    "length": Extension({"--length": Option(read=values.span(65535), negatable=True)}, needs=("--length",)),
    "ttl": Extension(
        {
            "--ttl-lt": Option(read=values.u8),
            "--ttl-gt": Option(read=values.u8),
            "--ttl-eq": Option(read=values.u8, negatable=True),
        },
        apart=(frozenset({"--ttl-eq", "--ttl-lt", "--ttl-gt"}),),
        complete=needs_one("--ttl-eq", "--ttl-lt", "--ttl-gt", words=ONE_OF_TTL),
        aliases={"--ttl": "--ttl-eq"},
        families=("ip",),
    ),
    "hl": Extension(
        {
            "--hl-lt": Option(read=values.u8),
            "--hl-gt": Option(read=values.u8),
            "--hl-eq": Option(read=values.u8, negatable=True),
        },
        apart=(frozenset({"--hl-eq", "--hl-lt", "--hl-gt"}),),
        complete=needs_one("--hl-eq", "--hl-lt", "--hl-gt", words=ONE_OF_HL),
        aliases={"--hl": "--hl-eq"},
        families=("ip6",),
    ),
    "pkttype": Extension(
        {"--pkt-type": Option(read=lambda value, given: _packet_type(value), negatable=True)},
        needs=("--pkt-type",),
    ),
    "rpfilter": Extension({option: flag() for option in ("--loose", "--validmark", "--accept-local", "--invert")}),
}


def _refuse(words: str) -> Told:
    raise fail(words)


def _packet_type(value: str) -> str:
    found = {"host": "unicast"}.get(value.lower(), value.lower())
    if found not in ("unicast", "broadcast", "multicast"):
        raise fail(f"Bad packet type '{value}'")
    return found


NOT_MODELLED = frozenset(
    {
        *("ah", "bpf", "cgroup", "cluster", "connbytes", "connlabel", "connlimit", "cpu", "dccp", "devgroup", "dscp"),
        *("dst", "ecn", "esp", "eui64", "frag", "hashlimit", "hbh", "helper", "ipcomp", "ipv6header", "ipvs", "mh"),
        *(
            "nfacct",
            "osf",
            "owner",
            "policy",
            "quota",
            "rateest",
            "realm",
            "rt",
            "socket",
            "srh",
            "string",
            "tcpmss",
            "time",
        ),
        *("tos", "u32"),
    }
)
"""Matches that iptables has and that are refused here in a sentence of ours."""
