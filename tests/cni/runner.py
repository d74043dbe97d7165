"""A machine to try plugins on: a world with one node, and the steps of a recorded case done in it.

Random names and MACs are tokens in the record (``VETH1``, ``MAC2``): `Tokens` says which of ours each stands for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from k8slearn.cni.plugins import BROUGHT, PLUGINS
from k8slearn.journal import Command, Put, World
from k8slearn.linux import iptables, link, netns, route
from k8slearn.linux.program import Call, Result
from k8slearn.linux.rows import Netns
from k8slearn.linux.rules import Chain
from k8slearn.shell import run as shell_run

NODE = "node:n"
TOKEN = re.compile(r"(?:MAC|VETH|IFB)\d+")
TOKENS = re.compile(rf"({TOKEN.pattern})")
PODS = tuple(f"kcni-pod{number}" for number in range(1, 5))


def run(world: World, commands: Generator[Command, None, Any]) -> Any:
    """Every command applied before the next, as the engine does; what the generator returns."""
    while True:
        try:
            command = next(commands)
        except StopIteration as end:
            return end.value
        world.apply(command)


def machine(*namespaces: str, ipv6: bool = False) -> World:
    """A node with ``lo`` up, and namespaces made by ``ip netns add``."""
    world = World()
    world.apply(Put((NODE, "netns", ""), Netns("n", NODE, ipv6)))
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
        if isinstance(recorded, str) and isinstance(ours, str):
            return self._same_text(recorded, ours)
        return bool(recorded == ours)

    def _same_text(self, recorded: str, ours: str) -> bool:
        pattern = "".join(r"(\S+?)" if TOKEN.fullmatch(w) else re.escape(w) for w in TOKENS.split(recorded))
        found = re.fullmatch(pattern, ours)
        if found is None:
            return False
        for token, name in zip(TOKEN.findall(recorded), found.groups(), strict=True):
            if self.ours.setdefault(token, name) != name or list(self.ours.values()).count(name) > 1:
                return False
        return True


def do(world: World, step: dict[str, Any], tokens: Tokens) -> Result:
    """One step of a case."""
    if "plugin" in step:
        stdin = step["stdin_text"] if "stdin_text" in step else step["stdin"]
        text = stdin if isinstance(stdin, str) else json.dumps(tokens.fill(stdin))
        env = {k: v.replace("$CNI_PATH", "/opt/cni/bin") for k, v in step["env"].items()}
        done: Result = run(world, {**PLUGINS, **BROUGHT}[step["plugin"]](Call(world, NODE, (), text, env)))
        return done
    if "cnitool" in step:
        env = {"NETCONFPATH": "$TMP/net.d", "CNI_PATH": "/opt/cni/bin", **step["env"]}
        words = ("cnitool", step["cnitool"], "knet", "/var/run/netns/kcni-pod1")
        tool: Result = run(world, shell_run(world, NODE, words, "", env))
        return tool
    if "write_file" in step:
        world.apply(Put((NODE, "file", step["write_file"]), step["text"]))
        return Result()
    where = NODE if step["run_in"] in ("host", "root", "tmp") else netns.scope(NODE, f"kcni-{step['run_in']}")
    words = tuple(tokens.fill(step["argv"]))
    if step.get("may_fail"):
        return run(world, shell_run(world, where, words))
    run(world, next((act for start, act in _COMMANDS if words[: len(start)] == start), _shell)(world, where, words))
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
    (("ip", "route", "del", "default"), lambda w, n, a: route.delete(w, n, "0.0.0.0/0")),
    (("iptables", "-t", "nat", "-A"), _append),
    (("rm", "-f"), _remove),
    (("ping",), lambda w, n, a: iter(())),
    (("sh", "-c"), lambda w, n, a: iter(())),
)
"""What some of the record's own commands are here (the walk is tested elsewhere, ebtables are left out); whatever
else there is, the shell does."""


def _shell(world: World, where: str, words: tuple[str, ...]) -> Generator[Command, None, None]:
    done = yield from shell_run(world, where, words)
    assert done.exit_code == 0, (words, done.stderr)


Part = tuple[str, Callable[[str], Any]]
"""A command line, and what is made of its output."""


def _json(text: str) -> list[dict[str, Any]]:
    return [row for row in json.loads(text or "[]") if row]


def _links(text: str) -> list[dict[str, Any]]:
    rows = [_link(row) for row in _json(text)]
    carriers = {row["ifname"] for row in rows if "LOWER_UP" in row["flags"]}
    carriers |= {row.get("master") for row in rows if row["ifname"] in carriers}
    for row in rows:
        if row.get("kind") in ("veth", "bridge") and "UP" in row["flags"]:
            row |= _settled(row["flags"], row["ifname"] in carriers)
    return rows


def _link(row: dict[str, Any]) -> dict[str, Any]:
    out = {name: row[name] for name in ("ifname", "mtu", "operstate", "address")} | {"flags": sorted(row["flags"])}
    said = row.get("linkinfo", {})
    out |= {"kind": said["info_kind"]} if "info_kind" in said else {}
    hairpin = said.get("info_slave_data", {}).get("hairpin", False)
    return out | ({"master": row["master"], "hairpin": hairpin} if "master" in row else {})


def _settled(flags: list[str], carrier: bool) -> dict[str, Any]:
    """What a link's state will be when linkwatch comes by, up to a second late; a bridge has its ports' carrier."""
    rest = {*flags} - {"NO-CARRIER", "LOWER_UP"} | {"LOWER_UP" if carrier else "NO-CARRIER"}
    return {"operstate": "UP" if carrier else "DOWN", "flags": sorted(rest)}


def _addresses(text: str) -> list[list[str]]:
    """[device, CIDR, broadcast, scope]; addresses that the kernel made of a MAC are left out."""
    found = [(row["ifname"], a) for row in _json(text) for a in row.get("addr_info", ()) if a]
    return [
        [dev, f"{a['local']}/{a['prefixlen']}", a.get("broadcast", ""), a["scope"]]
        for dev, a in found
        if not a["local"].startswith("fe80:")
    ]


def _routes(text: str) -> list[dict[str, Any]]:
    """(``linkdown`` is left out: when a bridge without ports loses its carrier depends on the millisecond.)"""
    rows = [dict(row, flags=[flag for flag in row.get("flags", ()) if flag != "linkdown"]) for row in _json(text)]
    return [{k: v for k, v in row.items() if k != "flags" or v} for row in rows]


def _lines(text: str) -> list[str]:
    """Lines without spaces at their end; routes to a link's own IPv6 neighbourhood are left out."""
    lines = (line.replace(" linkdown", "").rstrip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("fe80::/64 ")]


def _rules(text: str) -> str:
    """iptables-save without its comments, and its counters at nought."""
    kept = [line for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r"\[\d+:\d+\]", "[0:0]", "\n".join(kept))


def _fdb(text: str) -> list[list[str]]:
    rows = [row for row in _json(text) if "vlan" not in row and not row["mac"].startswith(("33:33:", "01:00:5e:"))]
    return [[r["mac"], r["ifname"], r["master"], r.get("state", "")] for r in rows if r.get("master")]


def _qdiscs(text: str) -> list[list[Any]]:
    """Queues that somebody made."""
    kept = [row for row in _json(text) if row["kind"] in ("tbf", "ingress")]
    return [[row["dev"], row["kind"], row["handle"], row["options"]] for row in kept]


PARTS: Mapping[str, Part] = {
    "link": ("ip -d -j link", _links),
    "addr": ("ip -4 -j addr", _addresses),
    "addr6": ("ip -6 -j addr", _addresses),
    "route4": ("ip -j route", _routes),
    "route6": ("ip -6 route", _lines),
    "rule": ("ip rule", _lines),
    "neigh": ("ip neigh show nud permanent", _lines),
    "iptables_save": ("iptables-save", _rules),
    "ip6tables_save": ("ip6tables-save", _rules),
    "ip_forward": ("sysctl -n net.ipv4.ip_forward", str.strip),
    "bridge_fdb": ("bridge -j fdb", _fdb),
    "qdisc": ("tc -j qdisc", _qdiscs),
}
"""What is read back from a namespace after each step: the same commands, of the kernel or of a world."""


def snapshot(world: World, scope: str, recorded: Iterable[str]) -> dict[str, Any]:
    """The same parts of a namespace that the record has."""
    out = {}
    for name in recorded:
        command, read = PARTS[name]
        done = run(world, shell_run(world.fork(), scope, command))
        assert done.exit_code == 0, (command, done.stderr)
        out[name] = read(done.stdout)
    return out


def ipam_files(world: World) -> dict[str, str]:
    """The leases of host-local on the node."""
    files = world.table(NODE, "file").items()
    return {str(name).removeprefix("$TMP/ipam/"): text for name, text in files if str(name).startswith("$TMP/ipam/")}


def replay(case: dict[str, Any], *namespaces: str, ipv6: bool = False) -> None:
    """Do a recorded case in a world, and compare what each step printed and left."""
    world, tokens = machine(*(namespaces or PODS), ipv6=ipv6), Tokens()
    for number, step in enumerate(case["steps"]):
        done = do(world, step, tokens)
        if "plugin" in step or "cnitool" in step:
            _compare_output(step, done, tokens, number, ipv6, case.get("plugins") == "newer")
        for name, recorded in step.get("after", {}).items():
            if name == "libcni_cache":
                _compare_cache(world, recorded)
                continue
            if name == "ipam_files":
                ours = ipam_files(world)
                assert tokens.same(recorded or {}, ours), f"step {number}: files {recorded} {ours}"
                continue
            scope = NODE if name == "host" else netns.scope(NODE, f"kcni-{name}")
            if "error" not in recorded and netns.exists(world, scope):
                _compare_namespace(recorded, snapshot(world, scope, recorded), tokens, f"step {number}: {name}")


NEWEST = re.compile(r'[, ]+(\\?")?1\.1\.0(\\?")?(?=[\])\n])')
"""Our plugins speak CNI 1.1.0, those of Debian end at 1.0.0: the last of a list of versions."""


def _compare_output(step: dict[str, Any], done: Any, tokens: Tokens, number: int, ipv6: bool, newest: bool) -> None:
    assert done.exit_code == step["exit"], f"step {number}: {done}"
    if not newest:
        printed = done.stdout.replace('"cniVersion":"1.1.0"', '"cniVersion":"1.0.0"')
        done = Result(NEWEST.sub("", printed), NEWEST.sub("", done.stderr), done.exit_code)
    if "stdout_json" in step:
        ours = json.loads(done.stdout)
        recorded = step["stdout_json"] if ipv6 else _without_ipv6(step["stdout_json"])
        assert tokens.same(recorded, ours), f"step {number}: {step['stdout_json']} {ours}"
    else:
        assert done.stdout == step["stdout_text"]
    said = step.get("stderr", "").replace("/usr/lib/cni", "/opt/cni/bin")
    assert done.stderr.strip() == said.strip()


def _compare_cache(world: World, recorded: Mapping[str, Any]) -> None:
    """The same attachments are remembered. (What of them is remembered has tests of its own.)"""
    folder = "/var/lib/cni/results/"
    names = [str(name) for name in world.table(NODE, "file") if str(name).startswith(folder)]
    assert [name.removeprefix(folder) for name in names] == list(recorded or {})


def _compare_namespace(recorded: dict[str, Any], ours: dict[str, Any], tokens: Tokens, where: str) -> None:
    for part, said in recorded.items():
        theirs, mine = _comparable(part, tokens.fill(said)), _comparable(part, ours[part])
        assert tokens.same(theirs, mine), f"{where}: {part}\n{theirs}\n{mine}"


def _comparable(part: str, value: Any) -> Any:
    """Order means nothing in lists of rows; what a bridge without ports calls its state depends on the millisecond."""
    if part == "link":
        bare = {row["ifname"] for row in value if row.get("kind") == "bridge"} - {row.get("master") for row in value}
        rows = [dict(row, operstate="", flags=[]) if row["ifname"] in bare else dict(row) for row in value]
        return [dict(row, flags=sorted(set(row["flags"]) - {"PROMISC"})) for row in rows]
    if part == "bridge_fdb":
        return sorted((row for row in value if row[1] != row[2]), key=lambda row: (row[1], row[3]))
    if part == "route4":
        return sorted(value, key=str)
    return sorted(value, key=str) if isinstance(value, list) else value


def _without_ipv6(result: Any) -> Any:
    if isinstance(result, dict) and "ips" in result:
        return {**result, "ips": [ip for ip in result["ips"] if ":" not in ip["address"]]}
    return result
