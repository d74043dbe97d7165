"""Calls of the plugins, grown from a seed: configurations as people write them and as they get them wrong.

A seed always grows the same steps (the form of `live.call`): `steps(kind, seed)`. What a runtime does is done here by
hand: a list of plugins is added from first to last, each with the result of the one before, and deleted the other way
round; in between somebody may break something, and CHECK is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from .live import PREVIOUS, call

Config = dict[str, Any]
Step = dict[str, Any]
POOLS = ("10.1.0.0/24", "10.8.4.0/22", "192.168.7.128/26", "172.20.0.0/16")
POOLS6 = ("fd00:1::/64", "fd00:8:4::/112", "2001:db8:7::/56")
ROUTES: tuple[list[Config], ...] = (
    [],
    [{"dst": "0.0.0.0/0"}],
    [{"dst": "0.0.0.0/0"}, {"dst": "10.96.0.0/12"}],
    [{"dst": "192.0.2.0/24"}],
    [{"dst": "203.0.113.0/24", "gw": "198.51.100.1"}],
)
ROUTES6: tuple[list[Config], ...] = ([], [{"dst": "::/0"}], [{"dst": "2001:db8:96::/48"}])
DNS = ({"nameservers": ["10.96.0.10"]}, {"domain": "cluster.local", "search": ["svc.cluster.local"], "options": ["x"]})
MACS = ("02:11:22:33:44:55", "0A-0B-0C-0D-0E-0F", "0211.2233.4456", "01:00:5e:00:00:01", "nonsense")


def maybe(chance: Random, percent: int, field: str, *values: Any) -> Config:
    """{field: one of the values}, or nothing."""
    return {field: chance.choice(values)} if chance.random() * 100 < percent else {}


def ipam(chance: Random, dual: bool = True) -> Config:
    """host-local with ranges of one family or of both."""
    pool, ranges, routes = chance.choice(POOLS), [], list(chance.choice(ROUTES))
    if not dual or chance.random() < 0.7:
        ranges.append([{"subnet": pool, **maybe(chance, 20, "gateway", pool.rpartition(".")[0] + ".254")}])
    if dual and (not ranges or chance.random() < 0.6):
        ranges.append([{"subnet": chance.choice(POOLS6)}])
        routes = (routes if len(ranges) > 1 else []) + list(chance.choice(ROUTES6))
    return {"type": "host-local", "dataDir": "$TMP/ipam", "ranges": ranges, "routes": routes}


def bridge(chance: Random, dual: bool = True) -> Config:
    """A configuration of the bridge plugin."""
    layer3 = {"ipam": ipam(chance, dual)} if chance.random() < 0.9 else {}
    return {
        "type": "bridge",
        **maybe(chance, 60, "bridge", "cni0", "br-pods", "mynet0"),
        **maybe(chance, 70, "isGateway", True, False),
        **maybe(chance, 30, "isDefaultGateway", True),
        **maybe(chance, 30, "forceAddress", True),
        **maybe(chance, 40, "ipMasq", True),
        **maybe(chance, 40, "mtu", 1400, 9000, 1280),
        **maybe(chance, 4, "mtu", 60, 70000, 900),
        **maybe(chance, 25, "hairpinMode", True),
        **maybe(chance, 15, "promiscMode", True),
        **maybe(chance, 20, "dns", *DNS),
        **maybe(chance, 10, "enabledad", True),
        **maybe(chance, 10, "runtimeConfig", *({"mac": mac} for mac in MACS)),
        **maybe(chance, 6, "args", *({"cni": {"mac": mac}} for mac in MACS)),
        **maybe(chance, 4, "vlan", -1, 4095),
        **layer3,
    }


def ptp(chance: Random, dual: bool = True) -> Config:
    """A configuration of the ptp plugin."""
    return {
        "type": "ptp",
        **maybe(chance, 50, "ipMasq", True),
        **maybe(chance, 50, "mtu", 1400, 9000, 1300),
        **maybe(chance, 4, "mtu", 60, 70000),
        **maybe(chance, 30, "dns", *DNS),
        "ipam": ipam(chance, dual),
    }


def mapping(chance: Random) -> Config:
    """One mapped port."""
    return {
        "hostPort": chance.choice((53, 80, 8080, 30000, 65535)),
        "containerPort": chance.choice((53, 80, 8443)),
        "protocol": chance.choice(("tcp", "tcp", "udp", "sctp")),
        **maybe(chance, 30, "hostIP", "127.0.0.1", "192.0.2.7", "0.0.0.0", "::", "2001:db8::7", "nonsense"),
    }


def portmap(chance: Random) -> Config:
    """A configuration of the portmap plugin."""
    ports = [
        mapping(chance) for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 3, 16) if chance.random() < 0.2 else (1, 2)))
    ]
    wrong = maybe(chance, 6, "hostPort", 0, -1) | maybe(chance, 6, "protocol", "")
    ports = [*ports[:-1], ports[-1] | wrong] if ports else ports
    return {
        "type": "portmap",
        **maybe(chance, 20, "snat", False, True),
        **maybe(chance, 20, "markMasqBit", 0, 5, 31),
        **maybe(chance, 4, "markMasqBit", 32),
        **maybe(chance, 6, "externalSetMarkChain", "KUBE-MARK-MASQ"),
        **maybe(chance, 15, "conditionsV4", ["!", "-d", "192.0.2.0/24"], ["-i", "eth0"]),
        **maybe(chance, 15, "conditionsV6", ["!", "-d", "2001:db8::/32"]),
        "runtimeConfig": {"portMappings": ports} if ports or chance.random() < 0.5 else {},
    }


def firewall(chance: Random) -> Config:
    """A configuration of the firewall plugin."""
    return {
        "type": "firewall",
        **maybe(chance, 40, "backend", "iptables"),
        **maybe(chance, 5, "backend", "firewalld"),
        **maybe(chance, 30, "ingressPolicy", "same-bridge", "open"),
        **maybe(chance, 5, "ingressPolicy", "closed"),
        **maybe(chance, 15, "iptablesAdminChainName", "MY-ADMIN"),
    }


def bandwidth(chance: Random) -> Config:
    """A configuration of the bandwidth plugin."""
    rates, bursts = (8_000, 100_000, 1_000_000, 25_000_000, 1_000_000_000), (80_000, 1_000_000, 2_147_483_647, 12_345)
    limits: Config = {}
    for way in ("ingress", "egress"):
        if chance.random() < 0.7:
            limits |= {f"{way}Rate": chance.choice(rates), f"{way}Burst": chance.choice(bursts)}
        if chance.random() < 0.05:
            limits.pop(f"{way}{chance.choice(('Rate', 'Burst'))}", None)
    placed = limits if chance.random() < 0.2 else {"runtimeConfig": {"bandwidth": limits}}
    return {"type": "bandwidth", **placed}


def macvlan(chance: Random) -> Config:
    """A configuration of the macvlan plugin."""
    layer3 = {"ipam": ipam(chance)} if chance.random() < 0.9 else {}
    return {
        "type": "macvlan",
        **maybe(chance, 90, "master", "uplink"),
        **maybe(chance, 60, "mode", "bridge", "private", "vepa", "passthru"),
        **maybe(chance, 5, "mode", "source"),
        **maybe(chance, 40, "mtu", 1400, 1280, 1500),
        **maybe(chance, 10, "mtu", 9000, -1),
        **maybe(chance, 15, "mac", *MACS),
        **maybe(chance, 20, "dns", *DNS),
        **layer3,
    }


def host_device(chance: Random) -> Config:
    """A configuration of the host-device plugin."""
    layer3 = {"ipam": ipam(chance)} if chance.random() < 0.8 else {}
    return {
        "type": "host-device",
        **chance.choice(
            (
                *[{"device": "uplink"}] * 6,
                {"hwaddr": chance.choice(("02:00:00:00:00:02", "02-00-00-00-00-02", "0200.0000.0002"))},
                {"device": chance.choice(("nowhere", "lo"))},
                chance.choice(({"hwaddr": "02:00:00:00:00:77"}, {"hwaddr": "nonsense"}, {})),
                chance.choice(({"kernelpath": "/sys/devices/x"}, {"kernelpath": "x"}, {"pciBusID": "0000:00:77.0"})),
            )
        ),
        **maybe(chance, 10, "runtimeConfig", {"deviceID": "0000:00:78.0"}),
        **maybe(chance, 20, "dns", *DNS),
        **layer3,
    }


def vlan(chance: Random) -> Config:
    """A configuration of the vlan plugin that fails before a device is made: this kernel may have no 802.1Q."""
    wrong = ({"master": ""}, {"master": "nowhere"}, {"vlanId": 4095}, {"vlanId": -1}, {"mtu": 9000}, {"mtu": -5})
    good = {"master": "uplink", "vlanId": 10, **maybe(chance, 30, "mtu", 1400)}
    return {"type": "vlan", **good, **chance.choice((*wrong, {"vlanId": "10"}, {"master": 7})), "ipam": ipam(chance)}


def ipvlan(chance: Random) -> Config:
    """A configuration of the ipvlan plugin that fails before a device is made: this kernel may have none."""
    wrong = ({"master": "nowhere"}, {"mode": "l4"}, {"mode": 3}, {"master": ""}, {"mtu": "big"})
    layer3 = {"ipam": ipam(chance)} if chance.random() < 0.8 else {}
    return {
        "type": "ipvlan",
        "master": "uplink",
        **maybe(chance, 50, "mode", "l2", "l3"),
        **chance.choice(wrong),
        **layer3,
    }


LISTS: Mapping[str, tuple[Callable[[Random], Config], ...]] = {
    "bridge": (bridge,),
    "ptp": (ptp,),
    "macvlan": (macvlan,),
    "host-device": (host_device,),
    "vlan": (vlan,),
    "ipvlan": (ipvlan,),
    "portmap": (ptp, portmap),
    "firewall": (bridge, firewall),
    "bandwidth": (bridge, bandwidth),
    "kubernetes": (bridge, portmap, firewall),
    "shaped": (ptp, portmap, bandwidth, firewall),
}
"""Which plugins a case of a kind is a list of."""

ON_CARDS = ("macvlan", "host-device", "vlan", "ipvlan")

BREAKS: tuple[tuple[str, ...], ...] = (
    ("ip", "link", "set", "eth0", "down"),
    ("ip", "addr", "flush", "dev", "eth0"),
    ("ip", "link", "del", "eth0"),
    ("ip", "route", "flush", "dev", "eth0"),
)
"""What somebody does in the pod before CHECK is asked again."""
HOST_BREAKS: tuple[tuple[str, ...], ...] = (
    ("iptables", "-t", "nat", "-F"),
    ("iptables", "-F"),
    ("sysctl", "-w", "net.ipv4.ip_forward=0"),
)


def steps(kind: str, seed: int) -> list[Step]:
    """The calls of one case."""
    chance = Random(f"{kind} {seed}")
    version = chance.choice(("0.3.1", "0.4.0", "1.0.0", "1.0.0"))
    version = "0.4.0" if firewall in LISTS[kind] and chance.random() < 0.9 else version
    version = chance.choice(("0.1.0", "0.2.0", version)) if kind in ("bridge", "ptp") else version
    head = {"cniVersion": version, "name": chance.choice(("knet", "pods", "a-longer.name_of-a_network"))}
    plugins = [{**head, **grow(chance)} for grow in LISTS[kind]]
    shared = chance.random() < 0.4
    out = (own_bridge(plugins[0]) if shared else []) + uplink(plugins[0]) + add(plugins)
    if version >= "0.4.0" and chance.random() < 0.8:
        out += each("CHECK", plugins)
        if chance.random() < 0.6:
            place, broken = chance.choice((("pod1", BREAKS), ("host", HOST_BREAKS)))
            out += [{"run_in": place, "argv": list(chance.choice(broken)), "may_fail": True}, *each("CHECK", plugins)]
    if shared:
        first = {field: value for field, value in plugins[0].items() if field not in ("args", "runtimeConfig")}
        other = [first | maybe(chance, 30, "ipam", ipam(chance)), *plugins[1:]]
        out += add(other, "pod2") + (delete(other, "pod2") if chance.random() < 0.5 else [])
    out += delete(plugins, **({"CNI_NETNS": ""} if chance.random() < 0.15 else {}))
    return out + (delete(plugins) if chance.random() < 0.5 else [])


def own_bridge(config: Config) -> list[Step]:
    """A bridge that was there before, with a MAC of its own; else it would wear the lowest of random ones."""
    name = config.get("bridge", "cni0")
    made = (["ip", "link", "add", name, "type", "bridge"], ["ip", "link", "set", name, "address", "02:00:00:00:00:01"])
    return [{"run_in": "host", "argv": argv} for argv in made if config["type"] == "bridge"]


def uplink(config: Config) -> list[Step]:
    """A card for macvlan to stand on, and for host-device to move."""
    made = (
        ["ip", "link", "add", "uplink", "address", "02:00:00:00:00:02", "type", "veth", "peer", "name", "far"],
        ["ip", "link", "set", "far", "address", "02:00:00:00:00:03"],
        ["ip", "link", "set", "far", "up"],
        ["ip", "link", "set", "uplink", "up"],
    )
    return [{"run_in": "host", "argv": argv} for argv in made if config["type"] in ON_CARDS]


def add(plugins: list[Config], pod: str = "pod1") -> list[Step]:
    """ADD of a list."""
    later = [{**plugin, "prevResult": PREVIOUS} for plugin in plugins[1:]]
    return [_call("ADD", plugin, pod) for plugin in (plugins[0], *later)]


def each(command: str, plugins: list[Config], pod: str = "pod1", **env: str) -> list[Step]:
    """CHECK or DEL of each, with the final result."""
    return [_call(command, {**plugin, "prevResult": PREVIOUS}, pod, **env) for plugin in plugins]


def _call(command: str, plugin: Config, pod: str, **env: str) -> Step:
    return {**call(plugin["type"], command, plugin, pod, **env), "look": () if command == "CHECK" else ("host", pod)}


def delete(plugins: list[Config], pod: str = "pod1", **env: str) -> list[Step]:
    """DEL of a list: the other way round."""
    return each("DEL", plugins[::-1], pod, **env)
