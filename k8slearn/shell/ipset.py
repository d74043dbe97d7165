"""``ipset`` (7.17): named sets made, filled, listed and saved.

What sets are, and how a rule asks one, is in `linux/ipset.py`; how an element is written in `linux/ipset_element.py`.

Left out: ``-o xml``, ``-f FILE``, ``-r``, interactive mode; timeouts, counters and comments of a ``list:set``. The size
in memory is an empty set's. Elements come in the order in which they were added (the kernel's hash has none).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace

from k8slearn.errors import CommandError
from k8slearn.journal import Command, Commands, Put, Remove, World, digest
from k8slearn.linux import ip, ipset
from k8slearn.linux.ipset import PARTS, IpSet, Member
from k8slearn.linux.ipset_element import VERSION, elements, fail, number, span, syntax, text
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

COMMANDS = {
    **{"create": "create", "-N": "create", "n": "create", "new": "create", "add": "add", "-A": "add"},
    **{"del": "del", "-D": "del", "test": "test", "-T": "test", "destroy": "destroy", "-X": "destroy", "x": "destroy"},
    **{"list": "list", "-L": "list", "save": "save", "-S": "save", "restore": "restore", "-R": "restore"},
    **{"flush": "flush", "-F": "flush", "rename": "rename", "-E": "rename", "swap": "swap", "-W": "swap"},
    **{"version": "version", "-V": "version", "-v": "version"},
}
NEEDS = {**dict.fromkeys(("create", "add", "del", "test", "rename", "swap"), 2), **dict.fromkeys(("list", "save"), 0)}
"""A command -> how many words it cannot do without."""
OPTIONS = {"-!": "exist", "-exist": "exist", "-q": "quiet", "-quiet": "quiet", "-s": "sorted", "-sorted": "sorted"}
OPTIONS |= {"-n": "name", "-name": "name", "-t": "terse", "-terse": "terse", "-o": "output", "-output": "output"}
NOT_MODELLED = ("-f", "-file", "-r", "-resolve")
OLD = {"iphash": "hash:ip", "nethash": "hash:net", "ipporthash": "hash:ip,port", "ipportiphash": "hash:ip,port,ip"}
OLD |= {"ipportnethash": "hash:ip,port,net", "ipmap": "bitmap:ip", "portmap": "bitmap:port", "setlist": "list:set"}
MISSING = "The set with the given name does not exist"
REVISION = {
    **{"hash:ip": 6, "hash:net": 7, "hash:ip,port": 7, "hash:net,port": 8, "hash:ip,port,ip": 6, "hash:ip,port,net": 8},
    **{"hash:net,iface": 8, "bitmap:ip": 3, "bitmap:port": 3, "list:set": 3},
}
MEMORY = {**dict.fromkeys(REVISION, 456), "hash:ip": 200, "hash:ip,port": 208, "list:set": 80, "bitmap:ip": 88}

Doing = Generator[Command, None, str]


def program(process: Process) -> Running:
    """Run ``ipset``."""
    line = _read(process.argv)
    if line.command == "version":
        return Result(f"ipset {VERSION}, protocol version: 7\n")
    work = Sets(process.world, process.netns)
    try:
        if line.command == "restore":
            printed = yield from _restore(work, line, process.stdin)
        else:
            printed = yield from perform(work, line)
    except CommandError as error:
        if "quiet" in line.flags:
            return Result("", "", error.exit_code)
        raise
    return Result("", printed) if line.command == "test" else Result(printed)


@dataclass(slots=True)
class Line:
    """A command line: what to do with which words, and how."""

    command: str = ""
    words: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    output: str = ""


def _read(argv: tuple[str, ...]) -> Line:
    line, words = Line(), list(argv)
    while words:
        word = words.pop(0)
        option = OPTIONS.get(word) or OPTIONS.get(word[1:] if word.startswith("--") else "")
        if option == "output":
            line.output = words.pop(0) if words else ""
            if line.output not in ("plain", "save"):
                raise fail(f"-output {line.output}: not modelled here")
        elif option:
            line.flags.add(option)
        elif word in NOT_MODELLED:
            raise fail(f"{word}: not modelled here")
        elif line.command:
            line.words.append(word)
        elif word not in COMMANDS:
            raise fail(f"No command specified: unknown argument {word}", 2)
        else:
            line.command = COMMANDS[word]
    if not line.command:
        raise fail("No command specified.", 2)
    return line


@dataclass(frozen=True, slots=True)
class Sets:
    """The sets of one namespace."""

    world: World
    netns: str

    def get(self, name: str) -> IpSet:
        found: IpSet | None = self.world.get((self.netns, "ipset", name))
        if found is None:
            raise fail(MISSING)
        return found

    def names(self) -> list[str]:
        return [str(name) for name in self.world.table(self.netns, "ipset")]

    def members(self, name: str) -> dict[tuple[str, ...], Member]:
        return ipset.members(self.world, self.netns, name)

    def used(self, name: str) -> int:
        return ipset.references(self.world, self.netns, name)

    def put(self, name: str, row: IpSet) -> Put:
        return Put((self.netns, "ipset", name), row)

    def put_member(self, name: str, member: Member) -> Put:
        return Put((self.netns, "ipset-member", (name, member.parts)), member)

    def clear(self, name: str) -> Commands:
        """Every element goes, those whose time is over too."""
        for key in list(self.world.table(self.netns, "ipset-member")):
            if isinstance(key, tuple) and key[0] == name:
                yield Remove((self.netns, "ipset-member", key))


def perform(sets: Sets, line: Line) -> Doing:
    """Do one command; returns what it prints."""
    needed = NEEDS.get(line.command, 0)
    if len(line.words) < needed:
        which = "second " if line.words else ""
        raise fail(f"Missing {which}mandatory argument to command {line.command}", 2)
    if line.command in ("list", "save", "destroy", "flush") and len(line.words) > 1:
        raise fail(f"Unknown argument {line.words[1]}", 2)
    return (yield from ACTIONS[line.command](sets, line))


def _restore(sets: Sets, line: Line, stdin: str) -> Doing:
    """Lines as ``ipset save`` prints them, one command each."""
    printed = ""
    for place, told in enumerate(stdin.splitlines(), 1):
        words = _split(told)
        if not words or words[0].startswith("#") or words == ["COMMIT"]:
            continue
        inner = _read(tuple(words))
        inner.flags |= line.flags
        try:
            printed += yield from perform(sets, inner)
        except CommandError as error:
            words_of_it = error.stderr.removeprefix(f"ipset {VERSION}: ")
            raise CommandError(f"ipset {VERSION}: Error in line {place}: {words_of_it}", error.exit_code) from None
    return printed


def _split(told: str) -> list[str]:
    words: list[str] = []
    for n, part in enumerate(told.split('"')):
        words += [part] if n % 2 else part.split()
    return words


# --- create ------------------------------------------------------------------------------------


def _create(sets: Sets, line: Line) -> Doing:
    name, kind, *rest = line.words
    if len(name) > 31:
        raise syntax(f"setname '{name}' is longer than 31 characters")
    kind = OLD.get(kind, kind)
    if kind in ELSEWHERE:
        raise fail(f"{kind}: this type of set is not modelled here")
    if kind not in PARTS:
        raise syntax(f"typename '{kind}' is unknown")
    row = _header(kind, rest)
    before: IpSet | None = sets.world.get((sets.netns, "ipset", name))
    if before is not None:
        same = replace(before, hashsize=row.hashsize, sets=(), maxelem=row.maxelem) == row
        if "exist" not in line.flags or not same:
            raise fail("Set cannot be created: set with the same name already exists")
        return ""
    yield sets.put(name, row)
    return ""


def _header(kind: str, words: list[str]) -> IpSet:
    row, told = IpSet(kind, "" if kind in ("list:set", "bitmap:port") else "inet"), list(words)
    while told:
        word = told.pop(0)
        read = HEADER.get(word)
        if word in ELSEWHERE:
            raise fail(f"{word}: not modelled here")
        if read is None or not _takes(kind, word):
            raise fail(f"Unknown argument: `{word}'", 2)
        if word in FLAGS:
            row = read(row, "")
        elif not told:
            raise fail(f"Missing mandatory argument of option `{word}'", 2)
        else:
            row = read(row, told.pop(0))
    if kind.startswith("bitmap") and not row.last:
        raise fail("Mandatory option `range' is missing", 2)
    return row


ELSEWHERE = (
    *("hash:mac", "hash:ip,mac", "hash:ip,mark", "hash:net,net", "hash:net,port,net", "bitmap:ip,mac"),
    *("netmask", "bitmask", "skbinfo", "markmask"),
)
"""Types and settings that the real ipset has."""
FLAGS = ("counters", "comment", "forceadd")


def _takes(kind: str, word: str) -> bool:
    only = {"range": "bitmap", "size": "list", "hashsize": "hash", "maxelem": "hash", "family": "hash"}
    only |= {"bucketsize": "hash", "initval": "hash", "forceadd": "hash"}
    return kind.startswith(only.get(word, "")) and not (kind == "list:set" and word in ("timeout", *FLAGS))


def _family(row: IpSet, value: str) -> IpSet:
    known = {"inet": "inet", "ipv4": "inet", "inet6": "inet6", "ipv6": "inet6"}
    if value not in known:
        raise syntax(f"unknown inet family {value}")
    return replace(row, family=known[value])


def _hashsize(row: IpSet, value: str) -> IpSet:
    wanted = max(number(value, 0, 0xFFFFFFFF), 64)
    return replace(row, hashsize=1 << (wanted - 1).bit_length())


def _range(row: IpSet, value: str) -> IpSet:
    if row.kind == "bitmap:ip":
        first, last = span(row, value)
    else:
        low, _, high = value.partition("-")
        first, last = number(low, 0, 65535), number(high, 0, 65535)
    if last - first > 0xFFFF:
        raise fail("The range you specified exceeds the size limit of the set type")
    return replace(row, first=first, last=last)


def _forceadd(row: IpSet, value: str) -> IpSet:
    raise fail("forceadd: not modelled here")


HEADER: Mapping[str, Callable[[IpSet, str], IpSet]] = {
    "family": _family,
    "hashsize": _hashsize,
    "maxelem": lambda row, value: replace(row, maxelem=number(value, 0, 0xFFFFFFFF)),
    "timeout": lambda row, value: replace(row, timeout=number(value, 0, 2147483)),
    "counters": lambda row, value: replace(row, counters=True),
    "comment": lambda row, value: replace(row, comment=True),
    "range": _range,
    "size": lambda row, value: replace(row, size=number(value, 0, 0xFFFFFFFF)),
    "bucketsize": lambda row, value: row,
    "initval": lambda row, value: row,
    "forceadd": _forceadd,
}
"""The options of ``create``. How the hash is laid out changes nothing that anybody can see."""


# --- elements ----------------------------------------------------------------------------------


def _add(sets: Sets, line: Line) -> Doing:
    name, told, *rest = line.words
    row = sets.get(name)
    if row.kind == "list:set":
        yield sets.put(name, replace(row, sets=_listed(sets, name, row, told, rest, line)))
        return ""
    say = _said(row, rest, sets.world.clock)
    for parts in elements(row, told):
        if not ipset.in_range(row, parts):
            raise fail("Element is out of the range of the set")
        living = sets.members(name)
        if parts in living and "exist" not in line.flags:
            raise fail("Element cannot be added to the set: it's already added")
        if parts not in living and row.kind.startswith("hash") and len(living) >= row.maxelem:
            raise fail("Hash is full, cannot add more elements")
        yield sets.put_member(name, replace(say, parts=parts))
    return ""


def _said(row: IpSet, words: list[str], clock: float) -> Member:
    """What stands behind the element: its timeout, its counters, a comment."""
    seconds, member, told = row.timeout or 0, Member(()), list(words)
    while told:
        word = told.pop(0)
        if word == "nomatch" and "net" in PARTS[row.kind]:
            member = replace(member, nomatch=True)
            continue
        if word not in ("timeout", "packets", "bytes", "comment"):
            raise fail(f"Unknown argument: `{word}'", 2)
        if not told:
            raise fail(f"Missing mandatory argument of option `{word}'", 2)
        value = told.pop(0)
        allowed = {"timeout": row.timeout is not None, "comment": row.comment}.get(word, row.counters)
        if word == "comment" and '"' in value:
            raise syntax('" character is not permitted in comments')
        amount = number(value, 0, 2147483 if word == "timeout" else 2**64 - 1) if word != "comment" else 0
        if not allowed:
            feature = {"packets": "Packet counter", "bytes": "Byte counter"}.get(word, word.capitalize())
            what = {"timeout": "timeout", "comment": "comment"}.get(word, "counters")
            raise fail(f"{feature} cannot be used: set was created without {what} support")
        seconds = amount if word == "timeout" else seconds
        member = _with(member, word, value, amount)
    return replace(member, until=clock + seconds if seconds else 0.0)


def _with(member: Member, word: str, value: str, amount: int) -> Member:
    if word == "comment":
        return replace(member, comment=value)
    if word == "packets":
        return replace(member, packets=amount)
    return replace(member, size=amount) if word == "bytes" else member


def _listed(sets: Sets, name: str, row: IpSet, told: str, rest: list[str], line: Line) -> tuple[str, ...]:
    """The members of a ``list:set`` with one more."""
    _check_listed(sets, told)
    if told in row.sets:
        if "exist" in line.flags:
            return row.sets
        raise fail("Element cannot be added to the set: it's already added")
    if len(row.sets) >= row.size:
        raise fail("List set is full, more sets cannot be added")
    if not rest:
        return (*row.sets, told)
    where, beside = [*rest, ""][:2]
    if where not in ("before", "after"):
        raise fail(f"Unknown argument: `{where}'", 2)
    if beside not in row.sets:
        raise fail("Reference set is not added to the set.")
    at = row.sets.index(beside) + (where == "after")
    return (*row.sets[:at], told, *row.sets[at:])


def _check_listed(sets: Sets, told: str) -> None:
    found: IpSet | None = sets.world.get((sets.netns, "ipset", told))
    if found is None:
        raise fail("Set to be added/deleted/tested as element does not exist.")
    if found.kind == "list:set":
        raise fail("Sets with list:set type cannot be added to the set.")


def _del(sets: Sets, line: Line) -> Doing:
    name, told, *_ = line.words
    row = sets.get(name)
    absent = "Element cannot be deleted from the set: it's not added"
    if row.kind == "list:set":
        _check_listed(sets, told)
        if told not in row.sets and "exist" not in line.flags:
            raise fail(absent)
        yield sets.put(name, replace(row, sets=tuple(member for member in row.sets if member != told)))
        return ""
    for parts in elements(row, told):
        if parts not in sets.members(name) and "exist" not in line.flags:
            raise fail(absent)
        yield Remove((sets.netns, "ipset-member", (name, parts)))
    return ""


def _test(sets: Sets, line: Line) -> Doing:
    yield from ()
    name, told, *_ = line.words
    row = sets.get(name)
    if row.kind == "list:set":
        _check_listed(sets, told)
        found = told in row.sets
    else:
        found = any(_contains(sets, row, name, parts) for parts in elements(row, told, testing=True))
    if not found:
        raise CommandError(f"{told} is NOT in set {name}.\n")
    return f"Warning: {told} is in set {name}.\n"


def _contains(sets: Sets, row: IpSet, name: str, parts: tuple[str, ...]) -> bool:
    """Is it there, or in a network that is there? The longest prefix decides."""
    living = sets.members(name)
    if "net" not in PARTS[row.kind]:
        return parts in living
    at = PARTS[row.kind].index("net")
    base, _, length = parts[at].partition("/")
    whole = int(length) == ip.bits(base)
    for prefix in range(int(length), -1 if whole else int(length) - 1, -1):
        member = living.get((*parts[:at], ip.network_of(base, prefix), *parts[at + 1 :]))
        if member is not None:
            return not member.nomatch
    return False


# --- whole sets --------------------------------------------------------------------------------


def _destroy(sets: Sets, line: Line) -> Doing:
    names = line.words or sets.names()
    for name in names:
        sets.get(name)
        if sets.used(name) if line.words else _used_by_rules(sets, names):
            raise fail("Set cannot be destroyed: it is in use by a kernel component")
    for name in names:
        yield from sets.clear(name)
        yield Remove((sets.netns, "ipset", name))
    return ""


def _used_by_rules(sets: Sets, names: list[str]) -> bool:
    return any(sets.used(n) > sum(sets.get(other).sets.count(n) for other in names) for n in names)


def _flush(sets: Sets, line: Line) -> Doing:
    for name in line.words or sets.names():
        row = sets.get(name)
        yield from sets.clear(name)
        if row.sets:
            yield sets.put(name, replace(row, sets=()))
    return ""


def _rename(sets: Sets, line: Line) -> Doing:
    old, new = line.words[:2]
    row = sets.get(old)
    if sets.used(old):
        raise fail("Set cannot be renamed: it is in use by another system")
    if sets.world.get((sets.netns, "ipset", new)) is not None:
        raise fail("Set cannot be renamed: a set with the new name already exists")
    yield from _moved(sets, {old: (new, row)})
    return ""


def _moved(sets: Sets, moves: dict[str, tuple[str, IpSet]]) -> Commands:
    rows = sets.world.table(sets.netns, "ipset-member").items()
    every = [(key, member) for key, member in rows if isinstance(key, tuple) and key[0] in moves]
    for old in moves:
        yield from sets.clear(old)
        yield Remove((sets.netns, "ipset", old))
    for new, row in moves.values():
        yield sets.put(new, row)
    for key, member in every:
        yield sets.put_member(moves[key[0]][0], member)


def _swap(sets: Sets, line: Line) -> Doing:
    one, other = line.words[:2]
    rows = sets.get(one), _second(sets, other)
    if rows[0].kind != rows[1].kind or rows[0].family != rows[1].family:
        raise fail("The sets cannot be swapped: their type does not match")
    yield from _moved(sets, {one: (other, rows[0]), other: (one, rows[1])})
    return ""


def _second(sets: Sets, name: str) -> IpSet:
    try:
        return sets.get(name)
    except CommandError:
        raise fail("Sets cannot be swapped: the second set does not exist") from None


def _list(sets: Sets, line: Line) -> Doing:
    yield from ()
    if "name" in line.flags:
        return "".join(f"{name}\n" for name in line.words or sets.names())
    if line.output == "save":
        return (yield from _save(sets, line))
    blocks = []
    for name in line.words or sets.names():
        row = sets.get(name)
        lines = _lines(sets, name, row, "sorted" in line.flags)
        head = f"Name: {name}\nType: {row.kind}\nRevision: {REVISION[row.kind]}\nHeader: {_header_text(name, row)}\n"
        head += f"Size in memory: {MEMORY[row.kind]}\nReferences: {sets.used(name)}\nNumber of entries: {len(lines)}\n"
        blocks.append(head if "terse" in line.flags else head + "Members:\n" + "".join(f"{m}\n" for m in lines))
    return "\n".join(blocks)


def _save(sets: Sets, line: Line) -> Doing:
    yield from ()
    names = line.words or sets.names()
    out = ""
    for name in names:
        row = sets.get(name)
        out += f"create {name} {row.kind} {_header_text(name, row)}\n"
        out += "".join(f"add {name} {member}\n" for member in _lines(sets, name, row, "sorted" in line.flags))
    return out


def _header_text(name: str, row: IpSet) -> str:
    words = []
    if row.kind == "list:set":
        return f"size {row.size}"
    if row.kind.startswith("bitmap"):
        ends = [ip.text(end) if row.kind == "bitmap:ip" else str(end) for end in (row.first, row.last)]
        words.append(f"range {'-'.join(ends)}")
    else:
        words.append(f"family {row.family} hashsize {row.hashsize} maxelem {row.maxelem}")
    words += [f"timeout {row.timeout}"] if row.timeout is not None else []
    words += ["counters"] if row.counters else []
    words += ["comment"] if row.comment else []
    words += [f"bucketsize 12 initval 0x{digest(name, row.kind)}"] if row.kind.startswith("hash") else []
    return " ".join(words)


def _lines(sets: Sets, name: str, row: IpSet, ordered: bool) -> list[str]:
    if row.kind == "list:set":
        return list(row.sets)
    found = list(sets.members(name).values())
    if ordered or row.kind.startswith("bitmap"):
        found.sort(
            key=lambda member: [_order(kind, part) for kind, part in zip(PARTS[row.kind], member.parts, strict=True)]
        )
    return [_line(sets, row, member) for member in found]


def _order(kind: str, part: str) -> tuple[object, ...]:
    """By number: addresses, networks, protocols and ports."""
    if kind in ("ip", "net"):
        return ip.network(part)
    return (int(part),) if kind == "number" else (part,)


def _line(sets: Sets, row: IpSet, member: Member) -> str:
    words = [text(row, member.parts)]
    words += ["nomatch"] if member.nomatch else []
    left = int(member.until - sets.world.clock) if member.until else 0
    words += [f"timeout {left}"] if row.timeout is not None else []
    words += [f"packets {member.packets} bytes {member.size}"] if row.counters else []
    words += [f'comment "{member.comment}"'] if member.comment else []
    return " ".join(words)


ACTIONS: Mapping[str, Callable[[Sets, Line], Doing]] = {
    **{"create": _create, "add": _add, "del": _del, "test": _test, "destroy": _destroy, "flush": _flush},
    **{"rename": _rename, "swap": _swap, "list": _list, "save": _save},
}
