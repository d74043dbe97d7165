"""What breaks in a network, and can be mended again: faults to inject and to lift.

A fault is what bad luck or a tired hand does to one machine: a cable pulled, an address given twice, a rule in the
wrong place. `FAULTS` has them all, each built from the same operations that a person's commands use, so the packet
walk knows nothing of faults: it meets the rows that they left. What a fault changed is remembered beside it (the row
``("faults", "active", NAME)``); lifting it puts back every row that is still as the fault left it, in its old place,
and leaves alone what somebody has changed since.

::

    fault              what is wrong then                                              arguments
    link-down          a link is down                                                  dev
    address-conflict   a link has an address that another machine has                  dev address
    wrong-gateway      a route goes by the wrong machine                               via dst
    missing-route      a route is gone                                                 dst
    wrong-route        a route that should not be                                      dst via dev
    sysctl             a kernel setting is off, or wrong                               name value
    rule-deleted       a netfilter rule is gone                                        table chain position
    rule-moved         a netfilter rule stands in the wrong place                      table chain position to
    mtu                a link takes smaller packets than its neighbours                dev mtu
    loss               a link loses packets                                            dev percent
    delay              a link is slow                                                  dev seconds
    conntrack-full     no connection can be remembered any more
    wrong-neighbour    an address has the wrong MAC in the neighbour table, for ever   dev address mac
    duplicated-mac     a link has the MAC of another                                   dev mac
    expired-fdb        a bridge has forgotten behind which port a MAC is               bridge mac
    wrong-prefix       an address has the wrong network mask                           dev address prefix

Law: a fault that is injected and lifted leaves the world as it was.

Left out: faults in memory, CPU and disks; packets that are damaged, doubled or overtaken.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import replace as change
from difflib import get_close_matches
from typing import Any, NamedTuple

from k8slearn.errors import CommandError, Refused
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import addr, ip, link, neigh, route, setting, sysctl
from k8slearn.linux.qdisc import Netem
from k8slearn.linux.rows import Connection, Route, Tuple
from k8slearn.linux.rules import Chain


class Fault(NamedTuple):
    """One kind of fault. `takes` are its arguments with what each means; `needs` are those that must be given."""

    run: Callable[..., Commands]
    says: str
    takes: Mapping[str, str]
    needs: tuple[str, ...]


class Touched(NamedTuple):
    """A row that a fault wrote: as it was, as it became, and the names that stood behind it in its table."""

    key: Key
    before: Any
    after: Any
    followers: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that is in force."""

    name: str
    kind: str
    netns: str
    arguments: tuple[tuple[str, Any], ...]
    touched: tuple[Touched, ...]

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.arguments)
        return f"{self.name}: {self.kind} in {self.netns}{f' ({said})' if said else ''}"


def key(name: str) -> Key:
    """Where the world keeps a fault that is in force."""
    return ("faults", "active", name)


def active(world: World) -> list[Injected]:
    """The faults that are in force, in the order in which they were injected."""
    return list(world.table("faults", "active").values())


def inject(world: World, netns: str, kind: str, arguments: Mapping[str, Any]) -> Iterator[Put | Remove]:
    """Break something in a namespace; the row that says so is the last one put. Raises Refused with one sentence."""
    fault = _known(kind)
    _check(kind, fault, arguments)
    before: dict[Key, tuple[Any, tuple[Hashable, ...]]] = {}
    try:
        for command in fault.run(world, netns, **arguments):
            if command.key not in before:
                before[command.key] = (world.get(command.key), _followers(world, command.key))
            yield command
    except CommandError as error:
        raise Refused(f"{kind} in {netns} cannot be: {error.stderr.strip()}") from None
    touched = [Touched(k, was, world.get(k), followers) for k, (was, followers) in before.items()]
    touched = [row for row in touched if row.before != row.after]
    if not touched:
        raise Refused(f"{kind} in {netns} changes nothing: it is so already")
    name = f"fault-{1 + max((int(str(n).removeprefix('fault-')) for n in world.table('faults', 'active')), default=0)}"
    yield Put(key(name), Injected(name, kind, netns, tuple(sorted(arguments.items())), tuple(touched)))


def lift(world: World, name: str) -> Commands:
    """Mend what a fault broke, where it is still broken. Raises Refused where no such fault is in force."""
    fault: Injected | None = world.get(key(name))
    if fault is None:
        there = ", ".join(str(n) for n in world.table("faults", "active")) or "none"
        raise Refused(f"there is no fault {name!r} to lift (in force: {there})")
    for row in reversed(fault.touched):
        if world.get(row.key) != row.after:
            continue
        if row.before is None:
            yield Remove(row.key)
            continue
        yield Put(row.key, row.before)
        if row.after is None:
            yield from _back_in_place(world, row)
    yield Remove(key(name))


def _followers(world: World, key: Key) -> tuple[Hashable, ...]:
    names = list(world.table(key[0], key[1]))
    return tuple(names[names.index(key[2]) + 1 :]) if key[2] in names else ()


def _back_in_place(world: World, row: Touched) -> Commands:
    """A row that comes back stands last; those that stood behind it follow again."""
    scope, table, _ = row.key
    for name in row.followers:
        value = world.get((scope, table, name))
        if value is not None:
            yield Remove((scope, table, name))
            yield Put((scope, table, name), value)


def _known(kind: str) -> Fault:
    fault = FAULTS.get(kind)
    if fault is None:
        near = get_close_matches(str(kind), FAULTS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(FAULTS)}"
        raise Refused(f"there is no fault {kind!r:.80}: {hint}")
    return fault


def _check(kind: str, fault: Fault, arguments: Mapping[str, Any]) -> None:
    wrong = [name for name in arguments if name not in fault.takes]
    missing = [name for name in fault.needs if name not in arguments]
    if wrong or missing:
        takes = "; ".join(f"{name}: {means}" for name, means in fault.takes.items()) or "no arguments"
        problem = f"{wrong[0]!r:.80} is none of its arguments" if wrong else f"{missing[0]!r} is missing"
        raise Refused(f"{kind}: {problem} (it takes {takes})")
    for name, value in arguments.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise Refused(f"{kind}: {name} is text or a number, not {value!r:.80}")


# --- what each does ----------------------------------------------------------------------------


def _link_down(world: World, netns: str, dev: str) -> Commands:
    yield from link.set_down(world, netns, dev)


def _address_conflict(world: World, netns: str, dev: str, address: str) -> Commands:
    yield from addr.add(world, netns, dev, address)


def _wrong_gateway(world: World, netns: str, via: str, dst: str = ip.ANY) -> Commands:
    for name, row in _routes(world, netns, dst):
        yield Put((netns, "route", name), change(row, via=_address(via)))


def _missing_route(world: World, netns: str, dst: str) -> Commands:
    for name, _ in _routes(world, netns, dst):
        yield Remove((netns, "route", name))


def _wrong_route(world: World, netns: str, dst: str, via: str = "", dev: str = "") -> Commands:
    yield from route.add(world, netns, Route(_network(dst), via=_address(via) if via else "", dev=dev))


def _sysctl(world: World, netns: str, name: str, value: str | int = "0") -> Commands:
    if sysctl.read(world, netns, name) is None:
        raise Refused(f"the kernel has no setting {name!r:.80}: `sysctl -a` lists those that there are")
    yield from setting.write(world, netns, name, str(value))


def _rule_deleted(world: World, netns: str, table: str, chain: str, position: int) -> Commands:
    where, row = _chain(world, netns, table, chain, position)
    yield Put(where, change(row, rules=(*row.rules[: position - 1], *row.rules[position:])))


def _rule_moved(world: World, netns: str, table: str, chain: str, position: int, to: int) -> Commands:
    where, row = _chain(world, netns, table, chain, max(position, to))
    rules = [*row.rules[: position - 1], *row.rules[position:]]
    rules.insert(to - 1, row.rules[position - 1])
    yield Put(where, change(row, rules=tuple(rules)))


def _mtu(world: World, netns: str, dev: str, mtu: int) -> Commands:
    yield from link.set_mtu(world, netns, dev, int(mtu))


def _loss(world: World, netns: str, dev: str, percent: float = 100) -> Commands:
    link.find(world, netns, dev)
    if not isinstance(percent, int | float) or not 0 < percent <= 100:
        raise Refused(f"loss: percent is a number above 0 and up to 100, not {percent!r:.80}")
    yield Put((netns, "qdisc", (dev, "root")), Netem("8001:", loss=percent))


def _delay(world: World, netns: str, dev: str, seconds: float) -> Commands:
    link.find(world, netns, dev)
    if not isinstance(seconds, int | float) or not 0 < seconds <= 3600:
        raise Refused(f"delay: seconds is a number above 0 and up to 3600, not {seconds!r:.80}")
    yield Put((netns, "qdisc", (dev, "root")), Netem("8001:", delay=seconds))


def _conntrack_full(world: World, netns: str) -> Commands:
    """One entry is all that the table takes, and that one, of somebody who is not here, is not given up."""
    here = world.get((netns, "netns", ""))
    yield Put((here.machine, "sysctl", "net.netfilter.nf_conntrack_max"), "1")
    there = Tuple("tcp", "192.0.2.1", "192.0.2.2", 40000, 80)
    back = Tuple("tcp", "192.0.2.2", "192.0.2.1", 80, 40000)
    for name in (there, back):
        entry = Connection(there, back, "ESTABLISHED", True, True, until=world.clock + 432000, since=world.clock)
        yield Put((netns, "conntrack", name), entry)


def _wrong_neighbour(world: World, netns: str, dev: str, address: str, mac: str = "02:00:00:00:00:99") -> Commands:
    yield from neigh.replace(world, netns, dev, _address(address), mac)


def _duplicated_mac(world: World, netns: str, dev: str, mac: str) -> Commands:
    yield from link.set_mac(world, netns, dev, mac)


def _expired_fdb(world: World, netns: str, bridge: str, mac: str = "") -> Commands:
    link.find(world, netns, bridge)
    for name, row in list(world.table(netns, "fdb").items()):
        if row.bridge == bridge and mac in ("", row.mac):
            yield Remove((netns, "fdb", name))


def _wrong_prefix(world: World, netns: str, dev: str, address: str, prefix: int) -> Commands:
    row = next((a for a in addr.on(world, netns, dev) if a.address == address), None)
    if row is None:
        raise Refused(f"wrong-prefix: {dev} in {netns} has no address {address!r:.80}")
    yield from addr.delete(world, netns, dev, row.cidr)
    yield from addr.add(world, netns, dev, f"{address}/{prefix}")


def _routes(world: World, netns: str, dst: str) -> list[tuple[Hashable, Route]]:
    wanted = _network(dst)
    found = [(name, row) for name, row in world.table(netns, "route").items() if row.dst == wanted]
    if not found:
        raise Refused(f"{netns} has no route to {dst}: `ip route` there lists them")
    return found


def _chain(world: World, netns: str, table: str, chain: str, position: int) -> tuple[Key, Chain]:
    where: Key = (netns, "chain", ("ip", table, chain))
    row: Chain | None = world.get(where)
    if row is None or not isinstance(position, int) or not 1 <= position <= len(row.rules):
        count = len(row.rules) if row is not None else 0
        raise Refused(f"chain {chain} of table {table} in {netns} has {count} rules: there is no rule {position}")
    return where, row


def _address(text: Any) -> str:
    try:
        return ip.canonical(str(text))
    except ValueError:
        raise Refused(f"{text!r:.80} is not an IP address") from None


def _network(text: Any) -> str:
    try:
        base, prefix = ip.network(ip.ANY if text == "default" else str(text))
    except ValueError:
        raise Refused(f"{text!r:.80} is not a network: write 10.244.1.0/24 or default") from None
    return f"{ip.text(base, ip.bits(str(text)))}/{prefix}"


DEV, DST = "a link of that machine", "a network such as 10.244.1.0/24, or default"
FAULTS: Mapping[str, Fault] = {
    "link-down": Fault(_link_down, "a link is down", {"dev": DEV}, ("dev",)),
    "address-conflict": Fault(
        _address_conflict,
        "a link has an address that another machine has",
        {"dev": DEV, "address": "10.244.1.2/24"},
        ("dev", "address"),
    ),
    "wrong-gateway": Fault(
        _wrong_gateway, "a route goes by the wrong machine", {"via": "an address", "dst": DST}, ("via",)
    ),
    "missing-route": Fault(_missing_route, "a route is gone", {"dst": DST}, ("dst",)),
    "wrong-route": Fault(
        _wrong_route, "a route that should not be", {"dst": DST, "via": "an address", "dev": DEV}, ("dst",)
    ),
    "sysctl": Fault(
        _sysctl,
        "a kernel setting is off, or wrong",
        {"name": "net.ipv4.ip_forward, ...", "value": "0 unless said"},
        ("name",),
    ),
    "rule-deleted": Fault(
        _rule_deleted,
        "a netfilter rule is gone",
        {"table": "nat, filter, ...", "chain": "its name", "position": "from 1"},
        ("table", "chain", "position"),
    ),
    "rule-moved": Fault(
        _rule_moved,
        "a netfilter rule stands in the wrong place",
        {"table": "nat, filter, ...", "chain": "its name", "position": "from 1", "to": "from 1"},
        ("table", "chain", "position", "to"),
    ),
    "mtu": Fault(
        _mtu, "a link takes smaller packets than its neighbours", {"dev": DEV, "mtu": "bytes"}, ("dev", "mtu")
    ),
    "loss": Fault(_loss, "a link loses packets", {"dev": DEV, "percent": "100 unless said"}, ("dev",)),
    "delay": Fault(_delay, "a link is slow", {"dev": DEV, "seconds": "for every packet"}, ("dev", "seconds")),
    "conntrack-full": Fault(_conntrack_full, "no connection can be remembered any more", {}, ()),
    "wrong-neighbour": Fault(
        _wrong_neighbour,
        "an address has the wrong MAC in the neighbour table, for ever",
        {"dev": DEV, "address": "an address", "mac": "02:00:00:00:00:99 unless said"},
        ("dev", "address"),
    ),
    "duplicated-mac": Fault(
        _duplicated_mac, "a link has the MAC of another", {"dev": DEV, "mac": "the other's MAC"}, ("dev", "mac")
    ),
    "expired-fdb": Fault(
        _expired_fdb,
        "a bridge has forgotten behind which port a MAC is",
        {"bridge": "its name", "mac": "all unless said"},
        ("bridge",),
    ),
    "wrong-prefix": Fault(
        _wrong_prefix,
        "an address has the wrong network mask",
        {"dev": DEV, "address": "without its prefix", "prefix": "the wrong one"},
        ("dev", "address", "prefix"),
    ),
}
"""Name -> what it does."""
