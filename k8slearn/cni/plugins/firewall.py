"""The ``firewall`` plugin: a node whose FORWARD policy is DROP lets its containers through all the same.

For each address in ``prevResult`` there are two rules in the chain CNI-FORWARD, which FORWARD asks first: answers to
the container, and whatever comes from it. Before them stands CNI-ADMIN, for a person's own rules. With
``ingressPolicy: same-bridge`` what comes from one bridge may not go to another one: two more chains, once a bridge.
DEL takes the rules of the addresses away, and leaves the chains.

Left out: firewalld: a machine without it answers as the real plugin does where no bus is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from k8slearn.cni import chains, spec
from k8slearn.cni.chains import Table, Words
from k8slearn.cni.decode import NETCONF, STRING, Struct
from k8slearn.cni.skel import Args, Printed, load, plugin, previous_of
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands
from k8slearn.linux import ip

FORWARD = "CNI-FORWARD"
STAGES = ("CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2")
NO_FIREWALLD = "dial unix /var/run/dbus/system_bus_socket: connect: no such file or directory"
FILTER: Words = ("-m", "comment", "--comment", "CNI firewall plugin rules", "-j", FORWARD)
SAID: Words = ("-m", "comment", "--comment", "CNI firewall plugin rules (ingressPolicy: same-bridge)")


class Config(NamedTuple):
    """The plugin's own fields."""

    backend: str
    admin: str
    ingress: str


def _add(args: Args) -> Printed:
    config, result = _read(args)
    for table, addresses in _tables(args, result):
        yield from _chains(args, table, config)
        for address in addresses:
            yield from chains.ensure(args.world, table, FORWARD, _rules(address))
    _check_policy(config)
    if config.ingress == "same-bridge":
        yield from _isolate(args, result)
    return spec.printed(result, args.version)


def _read(args: Args) -> tuple[Config, spec.Result]:
    """The configuration and what was done before: parseConf(), getBackend()."""
    config = _config(args.call.stdin)
    result = previous_of(args, "missing prevResult from earlier plugin")
    _check_backend(config)
    return config, result


def _check_backend(config: Config) -> None:
    if config.backend == "firewalld":
        raise CniError(NO_FIREWALLD)


def _tables(args: Args, result: spec.Result) -> list[tuple[Table, list[str]]]:
    """The filter tables of the families that the result has addresses of, with these."""
    addresses = [entry["address"].partition("/")[0] for entry in result.get("ips") or ()]
    found = {family: [a for a in addresses if chains.family_of(a) == family] for family in ("ip", "ip6")}
    return [(Table(args.node, family, "filter"), mine) for family, mine in found.items() if mine]


def _chains(args: Args, table: Table, config: Config) -> Commands:
    """setupChains(): FORWARD asks CNI-FORWARD first, and that asks CNI-ADMIN first."""
    admin = ("-m", "comment", "--comment", "CNI firewall plugin admin overrides", "-j", config.admin)
    yield from chains.ensure(args.world, table, FORWARD)
    yield from chains.ensure(args.world, table, config.admin)
    yield from chains.ensure(args.world, table, "FORWARD", (FILTER,), first=True)
    yield from chains.ensure(args.world, table, FORWARD, (admin,), first=True)


def _rules(address: str) -> tuple[Words, Words]:
    own = f"{address}/{ip.bits(address)}"
    answers = ("-d", own, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
    return answers, ("-s", own, "-j", "ACCEPT")


def _isolate(args: Args, result: spec.Result) -> Commands:
    """setupIsolationChains(): what leaves a bridge does not enter another one. The bridge is the first interface."""
    interfaces = result.get("interfaces") or []
    if not interfaces:
        hint = 'make sure to chain "firewall" plugin with "bridge"'
        raise CniError(f'interface needs to be set for ingress policy "same-bridge", {hint}')
    bridge: str = interfaces[0]["name"]
    one, two = STAGES
    rules: Iterable[tuple[str, Words, bool]] = (
        ("FORWARD", ("-j", one), True),
        (one, ("-i", bridge, "!", "-o", bridge, "-j", two), True),
        (one, ("-j", "RETURN"), False),
        (two, ("-o", bridge, "-j", "DROP"), True),
        (two, ("-j", "RETURN"), False),
    )
    for table, _ in _tables(args, result):
        for stage in STAGES:
            yield from chains.ensure(args.world, table, stage)
        for chain, words, first in rules:
            yield from chains.ensure(args.world, table, chain, ((*words, *SAID),), first)


def _check_policy(config: Config) -> None:
    if config.ingress not in ("", "open", "same-bridge"):
        raise CniError(f'unknown ingress policy: "{config.ingress}"')


def _delete(args: Args) -> Commands:
    config = _config(args.call.stdin)
    if args.config.get("prevResult") is not None:
        for table, addresses in _tables(args, _read(args)[1]):
            yield from chains.remove(args.world, table, FORWARD, [r for a in addresses for r in _rules(a)])
    _check_backend(config)
    _check_policy(config)


def _check(args: Args) -> Commands:
    config, result = _read(args)
    admin = ("-m", "comment", "--comment", "CNI firewall plugin admin overrides", "-j", config.admin)
    for table, addresses in _tables(args, result):
        yield from chains.ensure(args.world, table, FORWARD)
        yield from chains.ensure(args.world, table, config.admin)
        for chain, rule in (("FORWARD", FILTER), (FORWARD, admin)):
            if not chains.exists(args.world, table, chain, rule):
                raise CniError(f"expected {chain} rule [{' '.join(rule)}] not found")
        for rule in (rule for address in addresses for rule in _rules(address)):
            if not chains.exists(args.world, table, FORWARD, rule):
                raise CniError(f"expected rule [{' '.join(rule)}] not found")


@lru_cache(maxsize=1024)
def _config(stdin: str) -> Config:
    raw = load(stdin, _CONF, "failed to load netconf")
    return Config(
        raw.get("backend", ""), raw.get("iptablesAdminChainName") or "CNI-ADMIN", raw.get("ingressPolicy", "")
    )


FIELDS = ("backend", "iptablesAdminChainName", "firewalldZone", "ingressPolicy")
_CONF = Struct("main.FirewallNetConf", {**NETCONF, **dict.fromkeys(FIELDS, STRING)})
firewall = plugin("firewall", _add, _delete, _check, versions=spec.VERSIONS[4:])
