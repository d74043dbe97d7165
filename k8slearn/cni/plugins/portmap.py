"""The ``portmap`` plugin: a port of the node that leads to a port of the pod (``hostPort``).

It runs after the plugin that made the interface, and reads the pod's addresses in ``prevResult``, the first of each
family. Packets to a local address and a mapped port are translated by a chain of the container's own::

    PREROUTING, OUTPUT ─ to a local address ─> CNI-HOSTPORT-DNAT ─ to port 8080 ─> CNI-DN-39f8...
        from the pod's own network, from localhost ─> CNI-HOSTPORT-SETMARK (mark 0x2000)
        DNAT to 10.1.0.2:80
    POSTROUTING ─> CNI-HOSTPORT-MASQ ─ mark 0x2000 ─> MASQUERADE

The marked ones are masqueraded, or the answer would not come back this way. Two containers may claim one port: the
first rule wins. DEL takes the container's chain away, in both families; the shared chains stay.

CHECK looks for the rules in *both* families' tables: as the real plugin's, it fails wherever the node speaks IPv6.

Left out: the nftables backend (1.6.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import chains, spec
from k8slearn.cni.chains import Table, Words
from k8slearn.cni.decode import BOOL, INT, NETCONF, STRING, STRINGS, Items, Kind, Struct, address, is_address
from k8slearn.cni.skel import Args, Printed, load, plugin, previous_of
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands, Remove
from k8slearn.linux import conntrack, fib, inet6, ip, setting

DNAT, MASQ, SETMARK = "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK"
LOCAL: Words = ("-m", "addrtype", "--dst-type", "LOCAL", "-j", DNAT)
MOST_PORTS = 15
"""The multiport match takes no more in one rule."""
LONGEST_COMMENT = 255


class Mapping(NamedTuple):
    """One mapped port."""

    host_port: int
    container_port: int
    protocol: str
    host_ip: str


class Config(NamedTuple):
    """The plugin's own fields."""

    mappings: tuple[Mapping, ...]
    snat: bool
    mark: str
    set_mark: str
    external: bool
    """Is that a chain of somebody else (``externalSetMarkChain``)?"""
    conditions: dict[str, Words]


def _add(args: Args) -> Printed:
    config, result = _read(args)
    if result is None:
        raise CniError("must be called as chained plugin")
    for cidr in _addresses(args, result) if config.mappings else ():
        yield from _forward(args, config, cidr)
        yield from _forget_udp(args, config, chains.family_of(cidr))
    return spec.printed(result, args.version)


def _read(args: Args) -> tuple[Config, spec.Result | None]:
    """parseConfig(), as ADD and DEL say its mistakes."""
    try:
        return _parse(args)
    except CniError as error:
        raise CniError(f"failed to parse config: {error.msg}", error.code) from None


def _parse(args: Args) -> tuple[Config, spec.Result | None]:
    _load(args.call.stdin)
    result = None if args.config.get("prevResult") is None else previous_of(args, "")
    return _config(args.call.stdin), result


def _addresses(args: Args, result: spec.Result) -> list[str]:
    """The first address of each family that is not said to be on another interface, IPv4 first."""
    interfaces = result.get("interfaces") or []
    found: dict[str, str] = {}
    for entry in result.get("ips") or ():
        at = entry.get("interface")
        on = interfaces[at] if at is not None and 0 <= at < len(interfaces) else None
        if on is None or (on["name"] == args.ifname and on.get("sandbox")):
            found.setdefault(chains.family_of(entry["address"]), entry["address"])
    return [found[family] for family in ("ip", "ip6") if family in found]


def _forward(args: Args, config: Config, cidr: str) -> Commands:
    """forwardPorts(): the shared chains first, because the container's own leads there."""
    world, table = args.world, Table(args.node, chains.family_of(cidr))
    if config.snat and not config.external:
        yield from _shared(args, config, table)
    if config.snat and table.family == "ip":
        device = fib.lookup(world, args.node, cidr.partition("/")[0]).dev
        if device:
            yield from setting.write(world, args.node, f"net.ipv4.conf.{device}.route_localnet", "1")
    yield from chains.ensure(world, table, DNAT)
    for built_in in ("PREROUTING", "OUTPUT"):
        yield from chains.ensure(world, table, built_in, (LOCAL,))
    own = _own(args)
    try:
        yield from chains.ensure(world, table, own, _rules(config, cidr))
        yield from chains.ensure(world, table, DNAT, _jumps(args, config, table.family))
    except CniError as error:
        raise CniError(f"unable to setup DNAT: {error.msg}") from None


def _shared(args: Args, config: Config, table: Table) -> Commands:
    mark = ("-m", "comment", "--comment", "CNI portfwd masquerade mark", "-j", "MARK", "--set-xmark", config.mark)
    yield from chains.ensure(args.world, table, SETMARK, (mark,))
    yield from chains.ensure(args.world, table, MASQ, (("-m", "mark", "--mark", config.mark, "-j", "MASQUERADE"),))
    jump = ("-m", "comment", "--comment", "CNI portfwd requiring masquerade", "-j", MASQ)
    yield from chains.ensure(args.world, table, "POSTROUTING", (jump,), first=True)


def _own(args: Args) -> str:
    return chains.name_of("CNI-DN-", args.name, args.container_id)


def _rules(config: Config, cidr: str) -> list[Words]:
    """fillDnatRules(): for each port the marks first, then the translation."""
    own, family = cidr.partition("/")[0], chains.family_of(cidr)
    target = f"[{own}]" if family == "ip6" else own
    sources = [cidr, *(["127.0.0.1"] if family == "ip" else [])] if config.snat else []
    rules: list[Words] = []
    for mapping in config.mappings:
        host = mapping.host_ip
        if host and chains.family_of(_known(host)) != family:
            continue
        match: Words = ("-p", mapping.protocol, "--dport", str(mapping.host_port))
        match += ("-d", host) if host and not (is_address(host) and ip.number(host) == 0) else ()
        rules += [(*match, "-s", source, "-j", config.set_mark) for source in sources]
        rules.append((*match, "-j", "DNAT", "--to-destination", f"{target}:{mapping.container_port}"))
    return rules


def _known(host: str) -> str:
    """An address as Go sees it: what is none counts as IPv6."""
    return address(host) if is_address(host) else "::"


def _jumps(args: Args, config: Config, family: str) -> list[Words]:
    """The ways from CNI-HOSTPORT-DNAT into the container's chain."""
    said = f'dnat name: "{args.name}" id: "{args.container_id}"'
    said = said if len(said) <= LONGEST_COMMENT else f"{said[:253]}..."
    jumps: list[Words] = []
    for protocol in sorted({m.protocol for m in config.mappings}):
        ports = [str(m.host_port) for m in config.mappings if m.protocol == protocol]
        for at in range(0, len(ports), MOST_PORTS):
            dports = ",".join(ports[at : at + MOST_PORTS])
            match = ("-m", "comment", "--comment", said, "-m", "multiport", "-p", protocol)
            jumps.append((*match, "--destination-ports", dports, *config.conditions[family], "-j", _own(args)))
    return jumps


def _forget_udp(args: Args, config: Config, family: str) -> Commands:
    """Connections that UDP clients still have to a mapped port would go on being sent nowhere."""
    ports = {mapping.host_port for mapping in config.mappings if mapping.protocol.lower() == "udp"}
    for row in conntrack.entries(args.world, args.node) if ports else ():
        about = row.original
        if about.proto == "udp" and about.dport in ports and chains.family_of(about.dst) == family:
            yield Remove((args.node, "conntrack", row.original))
            yield Remove((args.node, "conntrack", row.reply))


def _usable(args: Args) -> list[Table]:
    """The nat tables of the families that the node speaks."""
    families = ("ip", "ip6") if inet6.speaks(args.world, args.node) else ("ip",)
    return [Table(args.node, family) for family in families]


def _delete(args: Args) -> Commands:
    if _read(args)[0].mappings:
        for table in _usable(args):
            yield from chains.ensure(args.world, table, "OUTPUT")
            yield from chains.drop(args.world, table, _own(args), (DNAT,))


def _check(args: Args) -> Commands:
    config, result = _parse(args)
    if result is None:
        raise CniError("Required prevResult missing")
    for cidr in _addresses(args, result) if config.mappings else ():
        rules, jumps = _rules(config, cidr), _jumps(args, config, chains.family_of(cidr))
        for table in _usable(args):
            missing = _missing(args, table, rules, jumps)
            if missing:
                raise CniError(f"could not check ipv{'6' if table.family == 'ip6' else '4'} dnat: {missing}")
    yield from ()


def _missing(args: Args, table: Table, rules: Sequence[Words], jumps: Sequence[Words]) -> str:
    """What is not there, in chain.go's words."""
    own, world = _own(args), args.world
    if world.get(table.key(own)) is None:
        return f"chain {own} not found in iptables table nat"
    for chain, wanted, shown in ((own, rules, rules), (DNAT, jumps, [words[:-2] for words in jumps])):
        if not all(_there(args, table, chain, words) for words in wanted):
            said = " ".join(f"[{' '.join(words)}]" for words in shown)
            return f"rule [{said}] in chain {chain} not found in table nat"
    return ""


def _there(args: Args, table: Table, chain: str, words: Words) -> bool:
    try:
        return chains.exists(args.world, table, chain, words)
    except CniError:
        return False


@lru_cache(maxsize=1024)
def _config(stdin: str) -> Config:
    raw = _load(stdin)
    if "markMasqBit" in raw and "externalSetMarkChain" in raw:
        raise CniError("Cannot specify externalSetMarkChain and markMasqBit")
    bit = raw.get("markMasqBit", 13)
    if not 0 <= bit <= 31:
        raise CniError("MasqMarkBit must be between 0 and 31")
    entries = raw.get("runtimeConfig", {}).get("portMappings", ())
    conditions = {"ip": tuple(raw.get("conditionsV4", ())), "ip6": tuple(raw.get("conditionsV6", ()))}
    mark = f"{1 << bit:#x}/{1 << bit:#x}"
    return Config(
        tuple(_mapping(entry) for entry in entries),
        raw.get("snat", True),
        mark,
        raw.get("externalSetMarkChain", SETMARK),
        "externalSetMarkChain" in raw,
        conditions,
    )


@lru_cache(maxsize=1024)
def _load(stdin: str) -> dict[str, Any]:
    return load(stdin, _CONF, "failed to parse network configuration")


_ENTRY: dict[str, Kind] = {"hostPort": INT, "containerPort": INT, "protocol": STRING, "hostIP": STRING}
_ENTRIES = Items(Struct("main.PortMapEntry", _ENTRY), "[]main.PortMapEntry")
_CONF = Struct(
    "main.PortMapConf",
    {
        **NETCONF,
        "snat": BOOL,
        "conditionsV4": STRINGS,
        "conditionsV6": STRINGS,
        "markMasqBit": INT,
        "externalSetMarkChain": STRING,
        "runtimeConfig": Struct("struct { PortMaps []main.PortMapEntry }", {"portMappings": _ENTRIES}),
    },
)


def _mapping(entry: dict[str, Any]) -> Mapping:
    host, container = entry.get("hostPort", 0), entry.get("containerPort", 0)
    for what, port in (("container", container), ("host", host)):
        if port <= 0:
            raise CniError(f"Invalid {what} port number: {port}")
    return Mapping(host, container, entry.get("protocol", ""), entry.get("hostIP", ""))


portmap = plugin("portmap", _add, _delete, _check)
