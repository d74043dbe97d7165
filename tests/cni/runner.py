"""A machine to try plugins on: a world with one node, and the steps of a recorded case done in it.

Random names and MACs are tokens in the record (``VETH1``, ``MAC2``): `Tokens` says which of ours each stands for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from typing import Any

from k8slearn.cni.plugins import PLUGINS
from k8slearn.journal import Command, Put, World
from k8slearn.linux import addr, device, fib, iptables, link, netns, route, sysctl
from k8slearn.linux.program import Call, Result
from k8slearn.linux.rows import Netns
from k8slearn.linux.rules import Chain

NODE = "node:n"
TOKEN = re.compile(r"(?:MAC|VETH)\d+")


def run(world: World, commands: Generator[Command, None, Any]) -> Any:
    """Every command applied before the next, as the engine does; what the generator returns."""
    while True:
        try:
            command = next(commands)
        except StopIteration as end:
            return end.value
        world.apply(command)


def machine(*namespaces: str) -> World:
    """A node with ``lo`` up, and namespaces made by ``ip netns add``."""
    world = World()
    world.apply(Put((NODE, "netns", ""), Netns("n", NODE)))
    run(world, link.add_loopback(NODE))
    run(world, link.set_up(world, NODE, "lo"))
    for name in namespaces:
        run(world, netns.add(world, NODE, name))
    return world


class Tokens:
    """Which of our names and MACs a token of the record stands for: one to one."""

    def __init__(self) -> None:
        self.ours: dict[str, str] = {}

    def fill(self, value: Any) -> Any:
        """The recorded value with our names in it."""
        text = json.dumps(value)
        return json.loads(TOKEN.sub(lambda m: self.ours.get(m.group(), m.group()), text))

    def same(self, recorded: Any, ours: Any) -> bool:
        """Are these equal, once each new token is given a meaning?"""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            return recorded.keys() == ours.keys() and all(self.same(recorded[k], ours[k]) for k in recorded)
        if isinstance(recorded, list) and isinstance(ours, list):
            return len(recorded) == len(ours) and all(map(self.same, recorded, ours))
        if isinstance(recorded, str) and TOKEN.fullmatch(recorded):
            known = self.ours.setdefault(recorded, ours)
            return known == ours and list(self.ours.values()).count(ours) == 1
        return bool(recorded == ours)


def do(world: World, step: dict[str, Any], tokens: Tokens) -> Result:
    """One step of a case."""
    if "plugin" in step:
        stdin = step["stdin_text"] if "stdin_text" in step else step["stdin"]
        text = stdin if isinstance(stdin, str) else json.dumps(tokens.fill(stdin))
        env = {k: v.replace("$CNI_PATH", "/opt/cni/bin") for k, v in step["env"].items()}
        done: Result = run(world, PLUGINS[step["plugin"]](Call(world, NODE, (), text, env)))
        return done
    if "write_file" in step:
        world.apply(Put((NODE, "file", step["write_file"]), step["text"]))
        return Result()
    where = NODE if step["run_in"] in ("host", "root", "tmp") else netns.scope(NODE, f"kcni-{step['run_in']}")
    words = tuple(tokens.fill(step["argv"]))
    run(world, next(act for start, act in _COMMANDS if words[: len(start)] == start)(world, where, words))
    return Result()


def _remove(world: World, where: str, words: tuple[str, ...]) -> Generator[Command, None, None]:
    from k8slearn.journal import Remove

    yield Remove((where, "file", f"$TMP/{words[-1]}"))


def _append(world: World, where: str, words: tuple[str, ...]) -> Generator[Command, None, None]:
    key = (where, "chain", ("ip", words[2], words[4]))
    chain = world.get(key) or Chain(policy="ACCEPT")
    yield Put(key, Chain((*chain.rules, iptables.parse_words(tuple(words[5:]))), chain.policy))


Act = Callable[[World, str, tuple[str, ...]], Any]
_COMMANDS: tuple[tuple[tuple[str, ...], Act], ...] = (
    (("ip", "addr", "flush"), lambda w, n, a: addr.flush(w, n, a[-1])),
    (("ip", "link", "del"), lambda w, n, a: link.delete(w, n, a[-1])),
    (("ip", "link", "set", "cbr0", "promisc"), lambda w, n, a: link.set_promisc(w, n, a[3], True)),
    (("ip", "netns", "del"), lambda w, n, a: netns.delete(w, n, a[-1])),
    (("ip", "route", "del", "default"), lambda w, n, a: route.delete(w, n, "0.0.0.0/0")),
    (("iptables", "-t", "nat", "-A"), _append),
    (("rm", "-f"), _remove),
    (("ping",), lambda w, n, a: iter(())),
    (("sh", "-c"), lambda w, n, a: iter(())),
)
"""What the record's own commands are here. (The walk is tested elsewhere; ebtables are left out.)"""


def snapshot(world: World, scope: str, recorded: dict[str, Any]) -> dict[str, Any]:
    """The same parts of a namespace that the record has, in its form."""
    links = sorted(world.table(scope, "link").values(), key=lambda row: row.index)
    out = {
        "link": [_link(world, scope, row) for row in links],
        "addr": [[a.dev, f"{a.address}/{a.prefix}", a.broadcast, a.scope] for a in world.table(scope, "addr").values()],
        "route4": [_route(row) for row in world.table(scope, "route").values()],
        "iptables_save": iptables.save(world, scope).rstrip("\n"),
        "ip_forward": sysctl.read(world, scope, "net.ipv4.ip_forward"),
        "bridge_fdb": _fdb(world, scope),
    }
    return {k: v for k, v in out.items() if k in recorded}


def _link(world: World, scope: str, row: Any) -> dict[str, Any]:
    flags = ["LOOPBACK"] if row.kind == "loopback" else ["BROADCAST", "MULTICAST"]
    carrier = device.carrier(world, scope, row)
    flags += ["UP"] * row.up + ["LOWER_UP"] * carrier
    out = {"ifname": row.name, "mtu": row.mtu, "operstate": device.operstate(world, scope, row), "address": row.mac}
    out |= {"flags": sorted([*flags, *["NO-CARRIER"] * (row.up and not carrier), *["PROMISC"] * row.promisc])}
    out |= {} if row.kind == "loopback" else {"kind": row.kind}
    return out | ({"master": row.master, "hairpin": row.hairpin} if row.master else {})


def _route(row: Any) -> dict[str, Any]:
    text = fib.route_text(row).split()
    out = {"dst": text[0], "dev": row.dev}
    out |= {"gateway": row.via} if row.via else {}
    out |= {"protocol": row.proto, "scope": row.scope} if row.proto == "kernel" else {}
    return out | ({"prefsrc": row.src} if row.src else {})


def _fdb(world: World, scope: str) -> list[list[str]]:
    """Learned entries, and each port's own MAC; a bridge's own MAC is there while it has an address of its own."""
    rows = [[f.mac, f.port, f.bridge, ""] for f in world.table(scope, "fdb").values()]
    return rows + [[p.mac, p.name, p.master, "permanent"] for p in world.table(scope, "link").values() if p.master]


def ipam_files(world: World) -> dict[str, str]:
    """The leases of host-local on the node."""
    files = world.table(NODE, "file").items()
    return {str(name).removeprefix("$TMP/ipam/"): text for name, text in files if str(name).startswith("$TMP/ipam/")}
