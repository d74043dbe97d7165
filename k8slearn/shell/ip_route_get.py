"""``ip route get``: the kernel's own answer to "where would this packet go?", without sending one.

It is the look-up that every packet makes (`linux/fib.py`). With ``from`` and ``iif`` it is the look-up of a packet
that came in: then forwarding must be on, and the source must be plausible.

IPv6 prints the route that it found with the look-up's own addresses in it.

Left out: ``tos``, ``ipproto`` and ports: no rule here looks at them.
"""

from __future__ import annotations

from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.journal import World
from k8slearn.linux import fib, ip, rule
from k8slearn.linux.device import refused
from k8slearn.linux.fib import Found
from k8slearn.linux.program import Running
from k8slearn.linux.rows import Route
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

    family: str = ""
    dst: str = ""
    src: str = ""
    iif: str = ""
    oif: str = ""
    mark: int = 0
    fibmatch: bool = False
    warning: str = ""

    @property
    def six(self) -> bool:
        return ":" in self.dst


def get(process: Process, options: Options, words: Words) -> Running:
    """``ip route get ADDRESS [from ADDRESS] [iif DEV] [oif DEV] [mark N] [fibmatch]``."""
    yield from ()
    asked = _question(process, options, words)
    if not asked.dst:
        raise CommandError("need at least a destination address\n", 1)
    found = _ask6(process.world, process.netns, asked) if asked.six else _ask(process.world, process.netns, asked)
    if found.kind in ERRORS or not found.dev:
        raise refused(ERRORS.get(found.kind, ERRORS["none"]))
    if asked.fibmatch and found.route is not None:
        return answer(options, [fields(process, options, found.route, Filter())], route_text)
    row = (_fields6 if asked.six else _fields)(process.world, process.netns, asked, found)
    said = answer(options, [_spoken(row)] if options.json else [row], _text6 if asked.six else _text)
    return said._replace(stderr=asked.warning)


def _spoken(row: Fields) -> Fields:
    return {name: value for name, value in row.items() if name != "mtu_lock"}


def _question(process: Process, options: Options, words: Words) -> Question:
    asked = Question(options.family)
    while words:
        word = words.take()
        if word == "from":
            asked.src = network(words.take(), asked.family).partition("/")[0]
        elif word in ("iif", "oif", "dev"):
            dev = words.take()
            if dev not in process.world.table(process.netns, "link"):
                raise CommandError(f'Cannot find device "{dev}"\n', 1)
            setattr(asked, "oif" if word == "dev" else word, dev)
        elif word == "mark":
            asked.mark = words.number('"mark" value is invalid')
        elif len(word) > 1 and match(word, {"fibmatch": True}):
            asked.fibmatch = True
        elif word in ("tos", "vrf", "uid", "ipproto", "sport", "dport", "connected", "notify"):
            not_modelled(f"ip route get {word}")
        else:
            _destination(asked, words.take() if word == "to" else word)
    return asked


def _destination(asked: Question, word: str) -> None:
    asked.dst, _, length = network(word, asked.family).partition("/")
    width = ip.bits(asked.dst)
    if length != str(width):
        asked.warning = f"Warning: /{length} as prefix is invalid, only /{width} (or none) is supported.\n"


def _ask(world: World, netns: str, asked: Question) -> Found:
    if asked.iif:
        return _incoming(world, netns, asked)
    if asked.src and fib.local_address(world, netns, asked.src) is None:
        raise refused("Network is unreachable")
    return fib.output(world, netns, asked.dst, src=asked.src, oif=asked.oif, mark=asked.mark)


def _incoming(world: World, netns: str, asked: Question) -> Found:
    """ip_route_input_slow(): a packet that came in by `iif`. Its source counts only where it would be taken."""
    abroad = not fib.is_set(world, netns, asked.iif, "route_localnet")
    if not asked.src or (abroad and (ip.is_loopback(asked.dst) or ip.is_loopback(asked.src))):
        raise refused("Invalid argument")
    found = fib.lookup(world, netns, asked.dst, src=asked.src, iif=asked.iif, mark=asked.mark)
    if found.kind not in ("local", "broadcast"):
        if not fib.forwards(world, netns, asked.iif, asked.dst):
            raise refused("No route to host")
        if found.kind != "unicast":
            return found
    oif = found.dev if found.kind == "unicast" else ""
    if fib.source_refused(world, netns, asked.iif, asked.src, asked.dst, asked.mark, oif):
        raise refused("Invalid argument")
    return found


def _ask6(world: World, netns: str, asked: Question) -> Found:
    if asked.iif:
        return fib.lookup(world, netns, asked.dst, src=asked.src, iif=asked.iif, mark=asked.mark)
    return fib.lookup(world, netns, asked.dst, src=asked.src, oif=asked.oif, mark=asked.mark)


def _fields(world: World, netns: str, asked: Question, found: Found) -> Fields:
    row: Fields = {"type": found.kind} if found.kind != "unicast" else {}
    row |= {"dst": asked.dst} | ({"from": asked.src} if asked.src else {})
    row |= {"gateway": found.via} if found.via else {}
    row["dev"] = "lo" if found.kind == "local" or (asked.iif and found.kind == "broadcast") else found.dev
    row |= _table(world, netns, found)
    row |= {} if asked.src else {"prefsrc": _source(world, netns, asked, found)}
    row |= {"flags": []} | ({"mark": asked.mark} if asked.mark else {}) | ({} if asked.iif else {"uid": 0})
    row["cache"] = CACHE.get(found.kind, [])
    return row | _metrics(found) | ({"iif": asked.iif} if asked.iif else {})


def _table(world: World, netns: str, found: Found) -> Fields:
    """While nobody has touched the rules, ``local`` and ``main`` are one table."""
    table = found.route.table if found.route else "local" if found.address else "main"
    apart = "ip" in world.table(netns, "rule").index(rule.custom)
    return {"table": table} if table != "main" and (apart or table != "local") else {}


def _metrics(found: Found) -> Fields:
    if found.route is None or not found.route.mtu:
        return {}
    return {"metrics": [{"mtu": found.route.mtu}]} | ({"mtu_lock": True} if found.route.mtu_lock else {})


def _source(world: World, netns: str, asked: Question, found: Found) -> str:
    if found.kind == "local" and (found.address is None or ip.is_loopback(asked.dst)):
        return "127.0.0.1" if found.address is not None else asked.dst
    return fib.source_for(world, netns, found, asked.dst)


def _fields6(world: World, netns: str, asked: Question, found: Found) -> Fields:
    route = found.route or Route("", dev=found.dev, proto="kernel", table="local", kind=found.kind)
    row: Fields = {"type": route.kind} if route.kind != "unicast" else {}
    row |= {"dst": asked.dst, "from": asked.src or "::"} | ({"gateway": found.via} if found.via else {})
    row["dev"] = "lo" if found.kind == "local" else found.dev
    row |= {"table": route.table} if route.table != "main" else {}
    row |= {"protocol": route.proto} if route.proto != "boot" else {}
    row |= {} if asked.iif else {"prefsrc": fib.source_for(world, netns, found, asked.dst)}
    row |= {"metric": route.metric, "flags": []} | _metrics(found) | ({"iif": asked.iif} if asked.iif else {})
    return row | {"pref": "medium"}


BEFORE = (("from", "from"), ("gateway", "via"), ("dev", "dev"), ("table", "table"), ("protocol", "proto"))
AFTER = (("prefsrc", "src"), ("metric", "metric"), ("mark", "mark"), ("uid", "uid"))


def _words(row: Fields) -> list[str]:
    words = [row["type"]] if "type" in row else []
    words.append(row["dst"])
    for name, keyword in (*BEFORE, *AFTER):
        words += [keyword, str(row[name])] if name in row else []
    return words


def _mtu_words(row: Fields) -> list[str]:
    return ["mtu", *(["lock"] if "mtu_lock" in row else []), str(row["metrics"][0]["mtu"])] if "metrics" in row else []


def _text(row: Fields) -> str:
    cache = ["cache", f"<{','.join(row['cache'])}>"] if row["cache"] else ["cache"]
    cache += _mtu_words(row) + (["iif", row["iif"]] if "iif" in row else [])
    return " ".join(_words(row)) + " \n    " + " ".join(cache) + " \n"


def _text6(row: Fields) -> str:
    iif = ["iif", row["iif"]] if "iif" in row else []
    return " ".join([*_words(row), *_mtu_words(row), *iif, "pref", row["pref"]]) + "\n"


COMMANDS = {"get": get}
