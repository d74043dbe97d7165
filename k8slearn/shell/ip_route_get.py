"""``ip route get``: the kernel's own answer to "where would this packet go?", without sending one.

It is the look-up that every packet makes (`linux/fib.py`). With ``from`` and ``iif`` it is the look-up of a packet
that came in: then forwarding must be on, and the source must be plausible.

Left out: ``mark``, ``tos``, ``ipproto`` and ports: no rule here looks at them.
"""

from __future__ import annotations

from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.journal import World
from k8slearn.linux import fib, ip, sysctl
from k8slearn.linux.device import refused
from k8slearn.linux.fib import Found
from k8slearn.linux.program import Running
from k8slearn.shell.ip_route import Filter, fields, network
from k8slearn.shell.ip_route import text as route_text
from k8slearn.shell.iproute import Fields, Options, Words, answer, match, not_modelled
from k8slearn.shell.process import Process

ERRORS = {
    "none": "Network is unreachable",
    "blackhole": "Invalid argument",
    "unreachable": "No route to host",
    "prohibit": "Permission denied",
}
CACHE = {"local": ["local"], "broadcast": ["local", "brd"]}


@dataclass(slots=True)
class Question:
    """What stands after ``ip route get``."""

    dst: str = ""
    src: str = ""
    iif: str = ""
    oif: str = ""
    fibmatch: bool = False
    warning: str = ""


def get(process: Process, options: Options, words: Words) -> Running:
    """``ip route get ADDRESS [from ADDRESS] [iif DEV] [oif DEV] [fibmatch]``."""
    yield from ()
    asked = _question(process, words)
    if not asked.dst:
        raise CommandError("need at least a destination address\n", 1)
    found = _ask(process.world, process.netns, asked)
    if found.kind in ERRORS or not found.dev:
        raise refused(ERRORS.get(found.kind, ERRORS["none"]))
    if asked.fibmatch and found.route is not None:
        return answer(options, [fields(process, options, found.route, Filter())], route_text)
    return answer(options, [_fields(process.world, process.netns, asked, found)], _text)._replace(stderr=asked.warning)


def _question(process: Process, words: Words) -> Question:
    asked = Question()
    while words:
        word = words.take()
        if word == "from":
            asked.src = network(words.take()).partition("/")[0]
        elif word in ("iif", "oif", "dev"):
            dev = words.take()
            if dev not in process.world.table(process.netns, "link"):
                raise CommandError(f'Cannot find device "{dev}"\n', 1)
            setattr(asked, "oif" if word == "dev" else word, dev)
        elif len(word) > 1 and match(word, {"fibmatch": True}):
            asked.fibmatch = True
        elif word in ("mark", "tos", "vrf", "uid", "ipproto", "sport", "dport", "connected", "notify"):
            not_modelled(f"ip route get {word}")
        else:
            _destination(asked, words.take() if word == "to" else word)
    return asked


def _destination(asked: Question, word: str) -> None:
    asked.dst, _, length = network(word).partition("/")
    if length != "32":
        asked.warning = f"Warning: /{length} as prefix is invalid, only /32 (or none) is supported.\n"


def _ask(world: World, netns: str, asked: Question) -> Found:
    if asked.iif:
        return _incoming(world, netns, asked)
    if asked.src and fib.local_address(world, netns, asked.src) is None:
        raise refused("Network is unreachable")
    return fib.lookup(world, netns, asked.dst)


def _incoming(world: World, netns: str, asked: Question) -> Found:
    """ip_route_input(): a packet that came in by `iif`."""
    if not asked.src or fib.source_refused(world, netns, asked.iif, asked.src):
        raise refused("Invalid argument")
    found = fib.lookup(world, netns, asked.dst)
    if found.kind in ("unicast", "none") and not sysctl.is_on(world, netns, "net.ipv4.ip_forward"):
        raise refused("No route to host")
    return found


def _fields(world: World, netns: str, asked: Question, found: Found) -> Fields:
    row: Fields = {"type": found.kind} if found.kind != "unicast" else {}
    row |= {"dst": asked.dst} | ({"from": asked.src} if asked.src else {})
    row |= {"gateway": found.via} if found.via else {}
    row["dev"] = "lo" if found.kind == "local" else found.dev
    row |= {} if asked.src else {"prefsrc": _source(world, netns, asked, found)}
    row |= {"flags": []} | ({} if asked.iif else {"uid": 0})
    row["cache"] = CACHE.get(found.kind, [])
    return row | ({"iif": asked.iif} if asked.iif else {})


def _source(world: World, netns: str, asked: Question, found: Found) -> str:
    if found.kind == "local" and ip.is_loopback(asked.dst):
        return "127.0.0.1"
    return fib.source_for(world, netns, found, asked.dst)


def _text(row: Fields) -> str:
    words = [row["type"]] if "type" in row else []
    words.append(row["dst"])
    for name, keyword in (("from", "from"), ("gateway", "via"), ("dev", "dev"), ("prefsrc", "src"), ("uid", "uid")):
        words += [keyword, str(row[name])] if name in row else []
    cache = ["cache", f"<{','.join(row['cache'])}>"] if row["cache"] else ["cache"]
    cache += ["iif", row["iif"]] if "iif" in row else []
    return " ".join(words) + " \n    " + " ".join(cache) + " \n"


COMMANDS = {"get": get}
