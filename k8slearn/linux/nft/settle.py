"""The form in which the kernel gives a rule back: why ``nft list`` does not print what was typed.

nft compiles a rule for the kernel and has nothing but that to list it from. On the way

- neighbouring fields of one header that are compared one after the other become one comparison
  (``tcp dport 80 tcp sport 33`` comes back as ``tcp sport 33 tcp dport 80``, and two ``!=`` then only exclude both
  at once: a bug of nft that the kernel runs all the same);
- conditions that a later field implies are left out again (``meta l4proto tcp tcp dport 80`` is ``tcp dport 80``).

Left out: rules in which two ports are joined without a protocol (nft lists raw bits then).
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.linux.nft.scan import Cursor
from k8slearn.linux.nft.selectors import PAYLOAD, Header
from k8slearn.linux.nft.values import (
    Concat,
    Const,
    Joined,
    Left,
    Mapped,
    Masked,
    Match,
    Nat,
    Reject,
    Selector,
    SetMark,
    Statement,
    Update,
    Vmap,
)

NETWORK = ("ip", "ip6")
WIDEST = 32
"""How many bits neighbours may have together to become one comparison."""


def settle(statements: tuple[Statement, ...], family: str, cursor: Cursor) -> tuple[Statement, ...]:
    """The statements as they will be listed."""
    return _without_implied(_merged(list(statements), cursor), family)


# --- neighbours become one -----------------------------------------------------------------------


def _merged(statements: list[Statement], cursor: Cursor) -> list[Statement]:
    """netlink_linearize.c: `payload_try_merge`; nothing is merged across a statement that does something."""
    joined: dict[int, list[int]] = {}
    waiting: list[int] = []
    for at, statement in enumerate([*statements, None]):
        if isinstance(statement, Match):
            waiting += [at] if _place(statement) is not None else []
        elif len(waiting) > 1:
            joined |= _groups(statements, waiting)
            waiting = []
    moved = {at for group in joined.values() for at in group[1:]}
    found: list[Statement] = []
    for at in range(len(statements)):
        if at not in moved:
            found += _group([statements[i] for i in joined.get(at, [at])], cursor)
    return found


def _groups(statements: list[Statement], waiting: list[int]) -> dict[int, list[int]]:
    """Runs of adjacent fields, each under the place of its first."""
    rows = sorted((_base(statements[at]), _offset(statements[at]), at) for at in waiting)
    found: dict[int, list[int]] = {}
    run = [rows[0][2]]
    for _, _, at in rows[1:]:
        if _adjacent(statements, run, at):
            run.append(at)
        else:
            run = [at]
        if len(run) > 1:
            found[run[0]] = list(run)
    return found


def _adjacent(statements: list[Statement], run: list[int], at: int) -> bool:
    last, this = statements[run[-1]], statements[at]
    before, here = _place(last), _place(this)
    if before is None or here is None:
        return False
    bits = sum(place.bits for i in run if (place := _place(statements[i])) is not None) + here.bits
    return (
        _base(last) == _base(this)
        and before.offset * 8 + before.bits == here.offset * 8
        and bits <= WIDEST
        and _differs(last) == _differs(this)
    )


def _differs(statement: Statement) -> bool:
    return isinstance(statement, Match) and statement.op == "!="


def _group(group: list[Statement], cursor: Cursor) -> list[Statement]:
    if len(group) > 1 and any(_words(one).startswith("th ") for one in group):
        cursor.fail(cursor.place, "two fields of an unknown transport header in one rule are not modelled here")
    matches = tuple(one for one in group if isinstance(one, Match))
    return [Joined(matches)] if len(group) > 1 and matches[0].op == "!=" else group


def _place(statement: Statement) -> Header | None:
    """Where the compared field lies, if it is compared whole with one value."""
    match statement:
        case Match(left=Selector(words=words, type=kind), op=op, right=Const()) if op in ("", "==", "!="):
            return PAYLOAD[words][1] if words in PAYLOAD and not (kind.flags and not op) else None
    return None


def _words(statement: Statement) -> str:
    return statement.left.words if isinstance(statement, Match) and isinstance(statement.left, Selector) else ""


def _base(statement: Statement) -> int:
    return 1 if _words(statement).partition(" ")[0] in NETWORK else 2


def _offset(statement: Statement) -> int:
    place = _place(statement)
    return place.offset if place is not None else 0


# --- what is implied goes ------------------------------------------------------------------------


def _without_implied(statements: list[Statement], family: str) -> tuple[Statement, ...]:
    """payload.c: `payload_dependency_kill`; a statement that does something makes nft forget what it may omit."""
    gone: set[int] = set()
    network = transport = -1
    for at, statement in enumerate(statements):
        headers = set(_headers(statement, family))
        if transport >= 0 and "transport" in headers:
            gone.add(transport)
            transport = -1
        if network >= 0 and "network" in headers:
            gone.add(network)
            network = -1
        if not isinstance(statement, Match | Joined):
            network = transport = -1
        elif _implied_by(statement, family) == "transport":
            transport = at
        elif _implied_by(statement, family) == "network":
            network = at
    return tuple(statement for at, statement in enumerate(statements) if at not in gone)


def _implied_by(statement: Statement, family: str) -> str:
    """Which headers make this condition needless?"""
    if not isinstance(statement, Match) or not isinstance(statement.right, Const) or statement.op not in ("", "=="):
        return ""
    words = _words(statement)
    protocol = {"ip": "ip protocol", "ip6": "ip6 nexthdr"}.get(family, "")
    if words in ("meta l4proto", protocol):
        return "transport"
    return "network" if words == "meta nfproto" else ""


def _headers(statement: Statement, family: str) -> Iterator[str]:
    """Of which headers does a statement read?"""
    for selector in selectors(statement):
        if selector.words in PAYLOAD:
            header = selector.words.partition(" ")[0]
            yield "network" if header in NETWORK else "transport" if header != "th" else "unknown"
    if isinstance(statement, Reject):
        if statement.how == "tcp" and family != "inet":
            yield "transport"
        if statement.how in ("icmp", "icmpv6"):
            yield "network"


def selectors(statement: Statement) -> Iterator[Selector]:
    match statement:
        case Match(left=left) | Vmap(left=left) | Update(key=left):
            yield from _of(left)
        case Nat(address=Mapped(left=left)) | SetMark(source=Mapped(left=left)):
            yield from _of(left)
        case Joined(matches=matches):
            for one in matches:
                yield from _of(one.left)


def _of(left: Left) -> Iterator[Selector]:
    match left:
        case Concat(parts=parts):
            yield from parts
        case Masked(left=selector):
            yield selector
        case Selector():
            yield left
