"""Configurations, arguments and results that are odd or wrong, for the plugins that give addresses and adjust links.

Each list is one long case: its calls are done one after the other on one machine, so that leases pile up as they would.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .live import call

Step = dict[str, Any]
BASE = {"cniVersion": "1.0.0", "name": "n"}
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "")

TEXTS = (
    '[1]', '"x"', "1", "true", "null", "", "{", '{"a":1,}', '{"name":1}', '{"name":"n","cniVersion":1}',
    '{"name":"n","cniVersion":"1.0.0","type":1}', '{"name":"","cniVersion":"9"}', '{"name":"a b"}',
    '{"cniVersion":"1.0.0","name":"n"} x', '{"cniVersion":"1.0","name":"n"}', '{"name":"n","cniVersion":"x"}',
    "{'a':1}", '{"a":tru}', '{"a":01}', '{"a":"\n"}', '{"a":"\\q"}', '{"name":"n" "x":1}', '{"name"}', "{a:1}", "[",
    '{"name":"n","cniVersion":"1.0.0","ipam":{}}', '{"name":"n","a":fals', '{"name":"n","a":nil}',
)  # fmt: skip


def one(**fields: Any) -> dict[str, Any]:
    """An ``ipam`` with one range set of one range."""
    return {"ranges": [[fields]]}


HOST_LOCAL = (
    None, 1, [], {"ranges": 1}, {"ranges": [1]}, {"ranges": [[1]]}, {"ranges": [{}]}, {"ranges": [[]]}, one(),
    one(subnet=1), one(subnet="x"), one(subnet="10.0.0.0"), one(subnet="10.0.0.0/33"), one(subnet="10.0.0.1/24"),
    one(subnet="10.0.0.0/31"), one(subnet="10.0.0.0/32"), one(subnet="fd00::/126"), one(subnet="fd00::/127"),
    one(subnet="::ffff:10.9.0.0/120"), one(subnet="10.09.0.0/24"), one(subnet="10.9.0.0/024"),
    one(subnet="10.0.0.0/24", rangeStart="x"), one(subnet="10.0.0.0/24", rangeStart=1),
    one(subnet="10.0.0.0/24", rangeStart=""), one(subnet="10.0.0.0/24", rangeStart="10.0.1.1"),
    one(subnet="10.0.0.0/24", rangeEnd="10.0.1.1"), one(subnet="10.0.0.0/24", rangeStart="fd00::1"),
    one(subnet="10.0.0.0/24", rangeStart="10.0.0.9", rangeEnd="10.0.0.3"),
    one(subnet="10.0.0.0/24", gateway="10.0.1.1"), one(subnet="10.0.0.0/24", gateway="fd00::1"),
    one(subnet="10.0.0.0/24", gateway="10.0.0.255"), one(subnet="FD00:0::/64", rangeStart="FD00::0A"),
    {"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "fd00::/64"}]]},
    {"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "10.0.0.0/25"}]]},
    {"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.0.0/25"}]]},
    {"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.5"}, {"subnet": "", "ranges": []}, {"subnet": 1}, {"rangeStart": 1},
    {"subnet": "10.9.0.0/24", "dataDir": 1}, {"subnet": "10.9.0.0/24", "resolvConf": "/nope"},
    {"subnet": "10.9.0.0/24", "resolvConf": 1},
    *({"subnet": "10.9.0.0/24", "routes": routes} for routes in (
        [{"dst": 1}], [{"dst": "x"}], [{"dst": "0.0.0.0/0", "gw": "x"}], [{"dst": "0.0.0.0/0", "gw": 1}], [1], {},
        [{"gw": "10.0.0.1"}], [{"dst": "10.0.0.7/8", "gw": "10.9.0.1"}],
        [{"dst": "::/0", "gw": "fd00::1"}, {"dst": "10.0.0.0/8"}],
    )),
)  # fmt: skip
ARGS = (
    "IP=10.1.0.7", "IP=10.1.0.7/24", "IP=x", "IP=", "IP", "IP=1=2", "X=1", "X=1;Y=2", "IgnoreUnknown=1;X=1", ";",
    "IgnoreUnknown=true;X=1", "IgnoreUnknown=TRUE;X=1", "IgnoreUnknown=x;X=1", "IgnoreUnknown=0;X=1",
    "GATEWAY=10.1.0.1", "IP=10.1.0.1", "IP=10.2.0.1", "IP=fd00::7", "K8S_POD_NAME=a;IgnoreUnknown=1;IP=10.1.0.9",
    "IP=10.1.0.7;", "IP=10.1.0.7/24,10.1.0.8/24", "IP=10.1.0.7/24;GATEWAY=10.1.0.1", "GATEWAY=x;IP=10.1.0.7/24",
    "IP=10.1.0.7/24,fd00::5/64;GATEWAY=10.1.0.1, fd00::1",
)  # fmt: skip
ASKED: tuple[dict[str, Any], ...] = (
    *({"args": {"cni": {"ips": ips}}} for ips in (["10.1.0.7"], ["10.1.0.7/24", "fd00::5"], ["x"], [1], [""], [])),
    {"args": {"cni": 1}}, {"args": 1}, {"runtimeConfig": 1},
    *({"runtimeConfig": {"ips": ips}} for ips in (["10.1.0.9"], "x", ["10.9.9.9"], ["10.3.0.1/24", "fd00::2/64"], [1])),
    *({"runtimeConfig": {"ipRanges": sets}} for sets in ([[{"subnet": "10.7.0.0/24"}]], 1, [[{"subnet": 1}]])),
    {"runtimeConfig": {"ips": ["10.1.0.9"]}, "args": {"cni": {"ips": ["fd00::9"]}}}, {"dns": 1}, {"prevResult": 1},
)  # fmt: skip
LOCAL = {"type": "host-local", "dataDir": "$TMP/ipam"}
DUAL = {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]}


def host_local() -> Iterator[Step]:
    """Every odd thing that host-local may be told."""
    for text in TEXTS:
        yield call("host-local", "ADD", text)
    for command in ("CHECK", "VERSION", "NOPE"):
        for version in ("x", "0.3.0", "1.0.0.0"):
            yield call("host-local", command, {"cniVersion": version, "name": "n"})
    for at, ipam in enumerate(HOST_LOCAL):
        config = {**BASE, "name": f"n{at}", "ipam": {**LOCAL, **ipam} if isinstance(ipam, dict) else ipam}
        yield from (call("host-local", command, config) for command in ("ADD", "ADD", "DEL", "DEL"))
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "fd00::9"}]
    for version in VERSIONS:
        for sets in (DUAL["ranges"], [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]):
            ipam = {**LOCAL, "ranges": sets, "routes": routes}
            yield call("host-local", "ADD", {"cniVersion": version, "name": f"v{version}", "ipam": ipam})
    for args in ARGS:
        yield call("host-local", "ADD", {**BASE, "name": "args", "ipam": {**LOCAL, **DUAL}}, CNI_ARGS=args)
        yield call("host-local", "DEL", {**BASE, "name": "args", "ipam": {**LOCAL, **DUAL}}, CNI_ARGS=args)
    for at, more in enumerate(ASKED):
        yield call("host-local", "ADD", {**BASE, "name": f"asked{at}", "ipam": {**LOCAL, **DUAL}, **more})


FIVE = {"address": "10.1.0.5/24", "gateway": "10.1.0.1"}
STATIC = (
    None, 1, {}, {"addresses": 1}, {"addresses": [1]}, {"addresses": [{}]}, {"addresses": [{"address": 1}]},
    {"addresses": [{"address": "x"}]}, {"addresses": [{"address": "10.1.0.5"}]}, {"addresses": [FIVE]},
    {"addresses": [{"address": "10.1.0.5/24"}, {"address": "10.1.0.6/24"}, {"address": "fd00::1/64"}]},
    {"addresses": [{"address": "10.1.0.5/24", "gateway": "x"}]},
    {"addresses": [{"address": "10.1.0.5/24", "gateway": "10.9.0.1"}]},
    {"addresses": [FIVE], "routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["1.1.1.1"], "domain": "x"}},
    {"addresses": [FIVE], "dns": {"search": ["a"], "options": ["o"]}}, {"addresses": [FIVE], "dns": 1},
    {"addresses": [FIVE], "dns": {"nameservers": "x"}},
    {"addresses": [FIVE], "routes": [{"dst": "fd00::/8", "gw": "fd00::1"}, {"dst": "10.0.0.0/8", "gw": "10.1.0.9"}]},
)  # fmt: skip
GIVEN = {"cniVersion": "1.0.0", "ips": [FIVE]}
PREVIOUS = (
    GIVEN, None, 1, {}, {"cniVersion": "0.4.0"}, {**GIVEN, "cniVersion": "0.3.1"}, {"ips": [FIVE]},
    *({"cniVersion": "1.0.0", "ips": ips} for ips in (
        [{**FIVE, "gateway": "10.1.0.9"}], [{"address": "10.1.0.9/24"}], [{"address": "x"}], [{}], 1,
    )),
    {"cniVersion": "1.0.0", "interfaces": 1}, {"cniVersion": "1.0.0", "interfaces": [{"name": 1}]},
    {"cniVersion": "1.0.0", "routes": [{"dst": "x"}]}, {"cniVersion": "1.0.0", "dns": 1},
)  # fmt: skip


def static() -> Iterator[Step]:
    """Every odd thing that static may be told."""
    for ipam in STATIC:
        config = {**BASE, "ipam": {"type": "static", **ipam} if isinstance(ipam, dict) else ipam}
        yield from (call("static", command, config) for command in ("ADD", "CHECK", "DEL"))
    for version in VERSIONS:
        for ipam in STATIC[-7:]:
            yield call("static", "ADD", {**BASE, "cniVersion": version, "ipam": ipam})
    for addresses in ([FIVE], []):
        for args in ARGS:
            yield call("static", "ADD", {**BASE, "ipam": {"addresses": addresses}}, CNI_ARGS=args)
        for more in ASKED:
            yield call("static", "ADD", {**BASE, "ipam": {"addresses": addresses}, **more}, CNI_ARGS="IP=10.1.0.7/24")
    for previous in PREVIOUS:
        yield call("static", "CHECK", {**BASE, "ipam": {"addresses": [FIVE]}, "prevResult": previous})


OLD = {"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.5/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}]}}
NEW = {
    "cniVersion": "0.3.0",
    "ips": [{"version": "4", "address": "10.1.0.5/24"}, {"version": "6", "address": "fd00::1/64"}],
    "routes": [{"dst": "::/0"}],
}


def loopback() -> Iterator[Step]:
    """Every odd thing that loopback may be told, and results of every version that it hands on."""
    for version in (*VERSIONS, None):
        yield call("loopback", "ADD", {"name": "n", **({} if version is None else {"cniVersion": version})})
    for previous in PREVIOUS:
        yield from (call("loopback", command, {**BASE, "prevResult": previous}) for command in ("ADD", "CHECK"))
    for version in VERSIONS:
        for previous in (OLD, {**OLD, "cniVersion": "0.4.0"}, {**OLD, "cniVersion": ""}, NEW):
            yield call("loopback", "ADD", {"cniVersion": version, "name": "n", "prevResult": previous})
    for netns in ("/var/run/netns/nope", ""):
        yield from (call("loopback", command, BASE, CNI_NETNS=netns) for command in ("ADD", "DEL", "CHECK"))
    yield from (call("loopback", command, BASE) for command in ("ADD", "ADD", "DEL", "DEL", "CHECK"))
    for address in ("127.0.0.9/8", "10.5.0.1/32"):
        yield {"run_in": "pod1", "argv": ["ip", "addr", "add", address, "dev", "lo"]}
        yield call("loopback", "ADD", BASE)
    for variable in ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_PATH", "CNI_COMMAND"):
        for value in ("", "x y", "a/b", "."):
            if (variable, value) != ("CNI_NETNS", "."):
                yield call("loopback", "ADD", BASE, **{variable: value})
    yield call("loopback", "ADD", BASE, CNI_IFNAME="sixteencharacter")


LINK = {"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "x"}
ON_ETH0 = {"cniVersion": "1.0.0", "interfaces": [LINK], "ips": [{**FIVE, "interface": 0}]}
TUNING: tuple[dict[str, Any], ...] = (
    {}, *({"mtu": mtu} for mtu in (1400, 60, 70000, -1, "x", 1.5, 1000)),
    *({"mac": mac} for mac in (
        "02:00:00:00:00:07", "02-00-00-00-00-08", "0200.0000.0009", "x", "01:00:00:00:00:07", "00:00:00:00:00:00", 1,
    )),
    {"promisc": True}, {"promisc": 1}, {"allmulti": False}, {"mtu": 1280, "mac": "02:00:00:00:00:07"},
    *({"sysctl": sysctl} for sysctl in (
        {"net.ipv4.conf.eth0.proxy_arp": "1"}, {"net.ipv4.conf.all.rp_filter": "2", "net.ipv4.ip_forward": "1"},
        {"net/ipv4/conf/eth0/rp_filter": "1"}, {"net.ipv4.conf.nope.rp_filter": "1"}, {"net.ipv4.nope": "1"}, 1,
        {"net.ipv4.ip_forward": "x"}, {"net.ipv4.ip_forward": ""}, {"net.ipv4.ip_forward": 1},
        {"net.ipv4.ip_forward": " 1 "}, {"net.ipv4.ip_forward": "1\n"}, {"net.ipv6.conf.eth0.disable_ipv6": "1"},
        {"net.ipv4.ip_default_ttl": "32"}, {"net.ipv4.ip_default_ttl": "999"},
        {"net.ipv4.ip_local_port_range": "1024 2000"},
    )),
    {"args": {"cni": {"mtu": 1350}}}, {"args": {"cni": {"mac": "02:00:00:00:00:aa", "promisc": True}}},
    {"sysctl": {"net.ipv4.ip_forward": "0"}, "args": {"cni": {"sysctl": {"net.ipv4.ip_forward": "1"}}}},
    {"args": {"cni": {"mtu": "x"}}}, {"args": 1}, {"runtimeConfig": {"mac": "02:00:00:00:00:bb"}},
    {"runtimeConfig": {"mac": "02:00:00:00:00:bb"}, "mac": "02:00:00:00:00:cc"}, {"runtimeConfig": 1},
    {"runtimeConfig": {"mac": 1}}, {"dns": 1}, {"ipam": 1}, {"ipam": {"type": 1}}, {"capabilities": {"x": 1}},
    {"type": 1}, {"dataDir": 1}, {"prevResult": None}, {"prevResult": {"cniVersion": "0.4.0"}},
)  # fmt: skip


def tuning() -> Iterator[Step]:
    """Every odd thing that tuning may be told: set, looked at, and given back twice."""
    for words in ("add eth0 type veth peer name up0", "set eth0 up", "set up0 up"):
        yield {"run_in": "pod1", "argv": ["ip", "link", *words.split()]}
    conf = {**BASE, "type": "tuning", "dataDir": "$TMP/ipam/t", "prevResult": ON_ETH0}
    for more in TUNING:
        yield from (call("tuning", command, {**conf, **more}) for command in ("ADD", "CHECK", "DEL", "CHECK", "DEL"))
    for args in (
        "MAC=02:00:00:00:00:dd",
        "MAC=x",
        "X=1",
        "X=1;IgnoreUnknown=1",
        "MAC=02:00:00:00:00:dd;IgnoreUnknown=1",
    ):
        yield from (
            call("tuning", command, {**conf, "mtu": 1400}, CNI_ARGS=args) for command in ("ADD", "CHECK", "DEL")
        )
    for odd in ({"CNI_IFNAME": "nope"}, {"CNI_NETNS": "/var/run/netns/nope"}):
        yield from (call("tuning", command, {**conf, "mtu": 1400}, **odd) for command in ("ADD", "CHECK", "DEL"))
    for version in VERSIONS[:-1]:
        previous = OLD if version in VERSIONS[:2] else {"interfaces": [LINK]}
        wanted = {"cniVersion": version, "mac": "02:00:00:00:00:07", "prevResult": {**previous, "cniVersion": version}}
        yield from (call("tuning", command, {**conf, **wanted}) for command in ("ADD", "DEL"))
