"""The rows of a Linux box: plain frozen values, one class for each table that a person can list.

Addresses are text (``"10.244.1.2"``, IPv6 in the canonical form of RFC 5952), networks are text in CIDR form
(``"10.244.1.0/24"``, the default route is ``"0.0.0.0/0"`` or ``"::/0"``), MACs are lower-case text.

Left out: what `linux/__init__.py` leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from k8slearn.linux.ip import network_of


@dataclass(frozen=True, slots=True)
class Netns:
    """A network namespace. `name` is what people call it (``default/web``, ``node-1``); opaque here."""

    name: str
    machine: str
    """The scope of the machine's root namespace (``node:node-1``); a root namespace names itself."""
    ipv6: bool = False
    """Does the machine's kernel speak IPv6? False is a kernel that was booted with ``ipv6.disable=1``."""


class PortVlan(NamedTuple):
    """A port (or the bridge itself) in a VLAN, as ``bridge vlan`` lists it."""

    vid: int
    pvid: bool = False
    """Frames that come in without a tag are in this VLAN."""
    untagged: bool = False
    """Frames of this VLAN leave without their tag (``Egress Untagged``)."""


class Port(NamedTuple):
    """The switches of a bridge's port beside `Link.hairpin`, as ``bridge -d link`` lists them."""

    learning: bool = True
    """Does the bridge remember who sends by this port?"""
    flood: bool = True
    """Do frames for a MAC that the bridge does not know go out here?"""
    mcast_flood: bool = True
    bcast_flood: bool = True
    isolated: bool = False
    """Isolated ports do not talk to each other."""
    proxy_arp: bool = False
    """The bridge answers ARP in others' names here, out of its own neighbour table, and floods nothing."""
    number: int = 0
    """Its number among the ports of its bridge, from 1; 0: it is no port."""
    vlans: tuple[PortVlan, ...] | None = None
    """The VLANs it is in, while its bridge filters; None: nobody said, so the bridge's ``vlan_default_pvid``."""


NEW_PORT = Port()


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface, as ``ip -d link`` shows it."""

    name: str
    kind: str
    """``loopback``, ``veth``, ``bridge``, ``vxlan``, ``dummy``, ... as ``ip link add type`` takes it. A machine's own
    ``eth0`` is a veth to the switch."""
    mac: str
    index: int
    up: bool = False
    mtu: int = 1500
    master: str = ""
    """The bridge that this link is a port of."""
    peer: tuple[str, str] | None = None
    """The other end of a veth pair: (scope, link name)."""
    hairpin: bool = False
    """As a bridge port: may a frame leave by the port it came in on."""
    promisc: bool = False
    pinned: bool = False
    """Somebody set the MAC: a bridge then keeps it, whatever its ports have."""
    mtu_pinned: bool = False
    """Somebody set the MTU: the same."""
    opened: bool = False
    """It has been up once: the kernel gave it a queue then, and it keeps that (``qdisc noqueue``)."""
    lower: tuple[str, str] | None = None
    """The device that this one stands on: (scope, link name). vlan, macvlan, ipvlan; a tunnel's ``dev``."""
    home: str = ""
    """A tunnel's namespace of birth, where its outer packets travel, once it was moved away from there."""
    spec: object = None
    """What only its kind has: a frozen row of the kind's own class (``Vxlan``, ``Vlan``, ...)."""
    port: Port = NEW_PORT
    """Its switches as a bridge's port."""
    txqlen: int | None = None
    """How many packets may wait for it; None: what its driver says."""
    group: str = "default"
    alias: str = ""
    """A note of a person's."""
    arp: bool = True
    """False: ``arp off``. Nobody is asked for a MAC on this link and nobody is answered."""
    multicast: bool = True
    allmulti: bool = False
    macs: tuple[str, ...] = ()
    """Further MACs that it lets in (``bridge fdb add MAC dev DEV self``)."""


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address on a link. `address` has no prefix; `prefix` is the number of network bits."""

    dev: str
    address: str
    prefix: int
    scope: str = "global"
    broadcast: str = ""
    secondary: bool = False
    """The link had an address in this network before: that one is primary, and takes this one along."""
    peer: str = ""
    """``peer ADDRESS``: who is at the other end; the network (of `prefix` bits) is then the peer's."""
    label: str = ""
    """``eth0:1``; empty: the device's name."""
    noprefixroute: bool = False
    """It brings no connected route."""
    nodad: bool = False
    """It was given without duplicate address detection."""
    metric: int = 0
    """The metric of its connected route; 0 is the kernel's own (IPv4: 0, IPv6: 256)."""
    deprecated: bool = False
    """``preferred_lft 0``: still answered, but no new conversation begins with it."""
    tentative: bool = False
    """IPv6: kept over a link that is down (``keep_addr_on_down``), and not used meanwhile."""

    @property
    def cidr(self) -> str:
        """``10.244.1.2/24``, with a peer ``10.0.0.1 peer 10.0.0.2/32``."""
        peer = f" peer {self.peer}" if self.peer else ""
        return f"{self.address}{peer}/{self.prefix}"

    @property
    def network(self) -> str:
        """The network that the address is in (that of its peer, if it has one)."""
        return network_of(self.peer or self.address, self.prefix)


@dataclass(frozen=True, slots=True)
class Inet6:
    """IPv6 is running on this link (the kernel's ``IF_READY``): it came up with a carrier."""

    dev: str


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `kind` is unicast, local, multicast, blackhole, unreachable, prohibit or throw. Routes to a machine's
    own addresses (table ``local``) are not stored: they are derived from the address rows."""

    dst: str
    via: str = ""
    dev: str = ""
    src: str = ""
    scope: str = "global"
    """``global`` or ``link``, as ``ip route`` prints it."""
    proto: str = "boot"
    metric: int = 0
    table: str = "main"
    """``main``, ``local``, ``default``, or a number as text."""
    kind: str = "unicast"
    onlink: bool = False
    mtu: int = 0
    """The largest packet for this way; 0: the device's."""
    mtu_lock: bool = False
    """``mtu lock N``: path MTU discovery may not change it, and does not happen."""


REJECTS = ("blackhole", "unreachable", "prohibit", "throw")
"""Kinds of route that lead nowhere, each in its own way."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of ``ip rule``: which packets it takes (an empty field takes all), and what it does with them."""

    family: str
    """``ip`` or ``ip6``."""
    priority: int
    table: str = ""
    """The table to look in; empty where `action` says it."""
    src: str = ""
    dst: str = ""
    iif: str = ""
    """The device that the packet came in by; ``lo`` is what the machine sends itself."""
    oif: str = ""
    mark: int = 0
    mask: int = 0
    """Which bits of the mark count; 0: the mark is not asked for."""
    inverted: bool = False
    """``not``: it takes what does not fit."""
    action: str = "lookup"
    """``lookup``, ``blackhole``, ``unreachable`` or ``prohibit``."""
    suppress_prefixlength: int = -1
    """A route found with this few network bits, or fewer, does not count; -1: any counts."""
    proto: str = "boot"
    gone: bool = False
    """One of the kernel's own rules, which somebody deleted."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who has an address on a link: ``ip neigh``. `state`: REACHABLE, STALE, DELAY, PROBE, PERMANENT, NOARP,
    INCOMPLETE, FAILED or NONE; in the table ``proxy`` it is PROXY, and there is no MAC."""

    dev: str
    address: str
    mac: str
    state: str = "REACHABLE"


@dataclass(frozen=True, slots=True)
class PathMtu:
    """What a machine has learned of the way to an address: no packet longer than `mtu` gets there.

    Linux calls it a next-hop exception; ``ip route get`` shows it as ``cache expires 599sec mtu 1400``.
    """

    dst: str
    mtu: int
    until: float
    """The second of the logical clock at which it is forgotten."""
    dev: str
    via: str = ""
    """The next hop it was learned for: another route does not know of it."""
    locked: bool = False
    """Somebody claimed less than ``min_pmtu``: packets are sent without DF from now on."""


@dataclass(frozen=True, slots=True)
class Fdb:
    """A bridge's memory of a MAC: behind which port. A port's own MAC is derived, not stored."""

    bridge: str
    mac: str
    port: str
    """The bridge's own name: the MAC is the machine's (``bridge fdb add MAC dev BRIDGE self``)."""
    state: str = "learned"
    """``learned`` (``dynamic``: it ages), ``static`` (it does not), ``permanent`` (``local``: it is the machine's
    own, frames for it go up)."""
    vlan: int = 0
    updated: float = 0.0
    """The second of the logical clock at which it was written or its owner was last heard."""


class Remote(NamedTuple):
    """One far end of a VXLAN forwarding entry."""

    dst: str
    """Underlay address of the machine; ``0.0.0.0``: nowhere."""
    port: int = 0
    """UDP port; 0: the device's own."""
    vni: int = 0
    """0: the device's own."""
    via: str = ""
    """The underlay device to leave by; empty: routing decides."""


@dataclass(frozen=True, slots=True)
class VxlanFdb:
    """A VXLAN device's memory of a MAC: on which machines. The MAC of all zeros stands for every MAC that is not
    listed, and for broadcasts (head-end replication: one copy for each remote)."""

    dev: str
    mac: str
    remotes: tuple[Remote, ...]
    state: str = "learned"
    """``learned`` (it ages), ``static`` or ``permanent``."""
    updated: float = 0.0
    """The second of the logical clock at which it was written or its owner was last heard."""


class Tuple(NamedTuple):
    """One direction of a connection, as conntrack keeps it. For ICMP the ports are the echo id."""

    proto: str
    src: str
    dst: str
    sport: int
    dport: int


class Connection(NamedTuple):
    """A conntrack entry: what the first packet looked like, and what a reply must look like."""

    original: Tuple
    reply: Tuple
    state: str
    """As ``conntrack -L`` prints it: SYN_SENT, SYN_RECV, ESTABLISHED, ... ; empty for UDP and ICMP."""
    replied: bool = False
    assured: bool = False
    mark: int = 0
    until: float = 0.0
    """The second of the logical clock at which it is forgotten."""
    since: float = 0.0
    """The second of the logical clock at which it was made."""
    fin: bool = False
    """TCP: has a side begun to close?"""
    last: str = ""
    """TCP: ``RST>`` after a reset, ``SYN>`` after a SYN that fitted nothing; ``<`` if it came from the other side."""
    ipvs: bool = False
    """Has IPVS chosen its destination? Then IPVS rewrites it, and nat does not."""


@dataclass(frozen=True, slots=True)
class Socket:
    """A listening socket. `address` ``0.0.0.0`` means any IPv4 address, ``::`` any at all. `answers_as` is who
    answers, in the words of a Trace (opaque here): ``default/web``; `program` is the process that holds it."""

    proto: str
    address: str
    port: int
    program: str
    answers_as: str
    hostname: str = ""
    """What ``/hostname`` answers."""
    v6only: bool = False
    """On ``::``: leave IPv4 to others (IPV6_V6ONLY)."""
    page: str = ""
    """What it answers whoever asks, an HTTP response from its status line on; empty: 200 and a greeting."""
    pages: tuple[tuple[str, str], ...] = ()
    """(path, text) of the pages that it has besides."""
    greeting: str = ""
    """What it says to whoever asks for no page in particular, ``{client}`` being their address; empty: hello."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge's settings, as ``ip link add type bridge`` takes them; times in hundredths of a second."""

    forward_delay: int = 1500
    hello_time: int = 200
    max_age: int = 2000
    ageing_time: int = 30000
    """How long a MAC is remembered that was not heard of again."""
    stp_state: int = 0
    priority: int = 32768
    vlan_filtering: int = 0
    vlan_default_pvid: int = 1
    """The VLAN that a new port is in, untagged; 0: none."""
    group_fwd_mask: int = 0
    """Bit N: frames for 01:80:c2:00:00:0N are forwarded like others."""
    mcast_snooping: int = 1
    no_linklocal_learn: int = 0
    nf_call_iptables: int = 0
    """Shows IPv4 frames to iptables even while the sysctl of the namespace says no."""
    nf_call_ip6tables: int = 0
    nf_call_arptables: int = 0
    vlans: tuple[PortVlan, ...] | None = None
    """The VLANs of the bridge's own device (``bridge vlan add dev br0 self``); None: ``vlan_default_pvid``."""


@dataclass(frozen=True, slots=True)
class Vxlan:
    """``ip link add type vxlan id 1 local A dev eth0 dstport 8472 nolearning``."""

    id: int
    """The VNI: 24 bits that tell the networks on one underlay apart."""
    local: str = ""
    """Source address of outer packets; empty: routing chooses."""
    remote: str = ""
    """Default destination (or multicast ``group``); empty: none."""
    port: int = 8472
    """UDP destination port, and the port that it listens on."""
    port_range: tuple[int, int] = (0, 0)
    """Source ports, by the flow's hash; (0, 0): ``net.ipv4.ip_local_port_range``."""
    learning: bool = True
    ageing: int = 300
    """Seconds."""
    ttl: int = 0
    """0: the machine's default."""
    ttl_inherit: bool = False
    tos: int = 0
    """1: ``inherit``."""
    df: str = "unset"
    """Don't-fragment bit of the outer packet: ``unset``, ``set`` or ``inherit``."""
    limit: int = 0
    """``maxaddress``; 0: no limit."""
    udp_csum: bool = True
    udp_zero_csum6_tx: bool = False
    udp_zero_csum6_rx: bool = False
    localbypass: bool = True
    external: bool = False
    """Collect metadata: a program says for each packet which VNI it gets and to which machine it goes."""


@dataclass(frozen=True, slots=True)
class Vlan:
    """``ip link add link eth0 name eth0.10 type vlan id 10``."""

    id: int
    """1 to 4094; 0 is a tag without a VLAN."""


@dataclass(frozen=True, slots=True)
class Macvlan:
    """``ip link add link eth0 name mv0 type macvlan mode bridge``."""

    mode: str = "vepa"
    """``private``, ``vepa``, ``bridge`` or ``passthru``."""


@dataclass(frozen=True, slots=True)
class Ipvlan:
    """``ip link add link eth0 name ipvl0 type ipvlan mode l2``. All ipvlans of one device have one mode."""

    mode: str = "l3"
    """``l2``, ``l3`` or ``l3s``."""
    flag: str = "bridge"
    """``bridge``, ``private`` or ``vepa``: may they talk to each other directly?"""


@dataclass(frozen=True, slots=True)
class Ipip:
    """``ip link add tunl1 type ipip local A remote B``; an empty address is ``any``."""

    local: str = ""
    remote: str = ""
    ttl: int = 0
    """The outer packet's; 0: as the inner one has it (``inherit``)."""
    proto: str = "any"
    """What may be inside: ``ipip``, or ``any`` (IPv4 all the same: MPLS is left out)."""
    pmtudisc: bool = True
    """Has every outer packet the don't-fragment bit, or only those whose inner one has it?"""
    errors: int = 0
    """ICMP errors that came for outer packets and that no inner sender has heard of yet."""
    errors_until: float = 0.0
    """The second of the logical clock at which those are forgotten."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer of a WireGuard device, as ``wg show`` lists it. Keys are base64 text."""

    public_key: str
    preshared_key: str = ""
    endpoint: tuple[str, int] | None = None
    """Where its outer packets go: set by a person, or where its last authentic packet came from."""
    allowed_ips: tuple[str, ...] = ()
    """Networks that are behind it: who sends there sends to it, and it may send from there only."""
    keepalive: int = 0
    """Seconds; 0: off."""
    handshake: float = -1.0
    """The second of the logical clock of the last handshake; below 0: there was none."""
    session: str = ""
    """The session keys that the handshake agreed on, by a name that both ends derive."""
    initiator: bool = False
    """Did this end begin that handshake?"""
    upcoming: str = ""
    """Session keys that it asked for and has not used yet: they count when its first data comes."""


@dataclass(frozen=True, slots=True)
class Wireguard:
    """A WireGuard device: its key, its port and its peers, in the order in which they were added."""

    private_key: str = ""
    port: int = 0
    fwmark: int = 0
    peers: tuple[Peer, ...] = ()
