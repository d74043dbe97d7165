"""What a command in a container comes to: for ``exec`` probes and hooks, which ask for its exit code.

Nothing is executed. A few commands are known: those that only say yes or no (``true``, ``exit 1``), those that look
for a file (``cat /tmp/healthy``), and clients that knock at a port of the pod (``curl``, ``nc -z``, ``pg_isready``):
for these a connection is walked inside the pod's own network namespace.

In an image that has nothing but the usual tools (`programs.BARE`) a program that is none of them is not found; then the
container runtime starts nothing, and that is no exit code but an error of its own.

Left out: pipes and scripts of several commands. What may be there and is not known here succeeds, and who asked is told
so.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from k8slearn.journal import World, digest, drive
from k8slearn.linux import ip, socket

LOCALHOST = "127.0.0.1"
SHELLS = ("sh", "bash", "ash")
CLIENTS: Mapping[str, int] = {
    "pg_isready": 5432,
    "redis-cli": 6379,
    "valkey-cli": 6379,
    "mysqladmin": 3306,
    "mariadb-admin": 3306,
    "mongosh": 27017,
    "rabbitmq-diagnostics": 5672,
    "curl": 80,
    "wget": 80,
    "nc": 0,
    "grpc_health_probe": 0,
}
"""Clients -> the port that they knock at unless their words name another."""
REFUSED: Mapping[str, tuple[int, str]] = {
    "pg_isready": (2, "{place} - no response"),
    "redis-cli": (1, "Could not connect to Redis at {place}: Connection refused"),
    "valkey-cli": (1, "Could not connect to Valkey at {place}: Connection refused"),
    "curl": (7, "curl: (7) Failed to connect to {host} port {port} after 0 ms: Could not connect to server"),
    "wget": (1, "wget: can't connect to remote host ({host}): Connection refused"),
    "nc": (1, ""),
}
USUAL = """
    [ ash awk base64 basename bash chmod chown cmp comm cp cut date dd df diff dirname du egrep env expr fgrep find
    free getent grep gunzip gzip head hostname id kill killall less ln logger md5sum mkdir mktemp more mount mv nice
    nohup nproc nslookup od pgrep pidof ping ping6 pkill printenv printf ps pwd readlink realpath rm rmdir sed seq sh
    sha1sum sha256sum sort split stat tail tar tee telnet timeout top touch tr traceroute umount uname uniq uptime vi
    watch wc which who whoami xargs yes zcat
    """
"""What every image with a shell has; what these come to is not known here."""
BINARIES = ("/bin/", "/sbin/", "/usr/")
NOT_FOUND = (
    "rpc error: code = Unknown desc = failed to exec in container: failed to start exec {id}: OCI runtime exec "
    "failed: exec failed: unable to start container process: exec: {name}: {why}: unknown"
)
_URL = re.compile(r"(?:\w+://)?(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>\d+))?(?:/\S*)?")
_PORT = re.compile(r"(?:^|[\s:=]|-p\s*)(\d{2,5})\b")


ERRORED = "errored"
"""Nothing was asked at all: how that is told."""


class Done(NamedTuple):
    """How a command ended: its exit code (None: nobody here knows this command) and what it printed."""

    code: int | None
    output: str = ""
    verb: str = "failed"
    draws: int = 0


def run(world: World, netns: str, words: Sequence[str], timeout: float, bare: bool = False) -> Done:
    """What becomes of a command in a container whose network and files are those of `netns`. `bare`: its image has no
    programs but the usual ones."""
    if not words:
        return Done(0)
    name, rest = words[0].rpartition("/")[2], list(words[1:])
    if name in SHELLS and len(rest) > 1 and rest[0].startswith("-") and "c" in rest[0]:
        return _script(world, netns, rest[1], timeout, bare)
    if name in CLIENTS:
        return _client(world, netns, name, rest, timeout)
    if name in PLAIN:
        return PLAIN[name](world, netns, rest)
    if name == "sleep":
        return _sleep(words, rest, timeout)
    if bare and (name not in USUAL.split() or ("/" in words[0] and not words[0].startswith(BINARIES))):
        return _not_found(netns, words[0])
    return Done(None, f"{' '.join(words)}: this command is not modelled here and is taken to succeed")


def _not_found(netns: str, name: str) -> Done:
    """runc looks for a program before it starts it."""
    why = f"stat {name}: no such file or directory" if "/" in name else "executable file not found in $PATH"
    told = {"name": f'"{name}"', "why": why, "id": f'"{digest("exec", netns, name, length=64)}"'}
    return Done(1, NOT_FOUND.format(**told), ERRORED)


def _script(world: World, netns: str, script: str, timeout: float, bare: bool) -> Done:
    """Commands joined by ``&&`` and ``;``: the first that fails ends the former, the last decides the latter."""
    done = Done(0)
    try:
        parts = [shlex.split(part) for part in re.split(r"&&|;|\n", script)]
    except ValueError:
        return Done(2, "sh: syntax error: unterminated quoted string")
    if re.search(r"[|<>`$]", script):
        return Done(None, f"{script}: this script is not modelled here and is taken to succeed")
    for words in filter(None, parts):
        done = run(world, netns, words, timeout, bare)
        if done.verb == ERRORED:
            done = Done(127, f"sh: {words[0]}: not found")
        if words[0] == "exit" or (done.code and "&&" in script):
            break
    return done


def _sleep(words: Sequence[str], rest: Sequence[str], timeout: float) -> Done:
    if seconds(words) < timeout:
        return Done(0)
    return Done(1, f'command timed out: "{" ".join(words)}" timed out after {timeout:.0f}s')


def seconds(words: Sequence[str]) -> float:
    """How long a command takes: what its ``sleep`` says."""
    found = re.search(r"\bsleep\s+(\d+(?:\.\d+)?)", " ".join(words))
    return float(found[1]) if found else 0.0


def _client(world: World, netns: str, name: str, rest: Sequence[str], timeout: float) -> Done:
    host, port = _target(name, rest)
    if not is_address(host):
        return Done(6 if name == "curl" else 1, f"{name}: bad address '{host}'")
    knocks = max(1, sum(time < timeout for time in socket.SYN_TIMES))
    walk = socket.connect(world, netns, host, port, "tcp", sport=32767, attempts=knocks, patience=timeout)
    attempt = drive(walk, world.apply)
    outcome, draws = attempt.ending.outcome, len(attempt.draws)
    if outcome == "connected":
        return Done(0, draws=draws)
    if outcome == "timeout":
        words = " ".join((name, *rest))
        return Done(1, f'command timed out: "{words}" timed out after {timeout:.0f}s', draws=draws)
    code, text = REFUSED.get(name, (1, name + ": connection to {place} refused"))
    return Done(code, text.format(place=f"{host}:{port}", host=host, port=port), draws=draws)


def _target(name: str, rest: Sequence[str]) -> tuple[str, int]:
    """Whom a client's words mean: a URL's host and port, or a number that is a port; by itself, the same pod."""
    default = CLIENTS[name]
    plain = [word for word in rest if not word.startswith("-")]
    if name in ("curl", "wget"):
        found = next((m for word in reversed(plain) if (m := _URL.fullmatch(word))), None)
        host = found["host"] if found is not None else LOCALHOST
        number = int(found["port"] or default) if found is not None else default
    else:
        number = next((int(n) for n in _PORT.findall(" ".join(rest)) if int(n) < 65536), default)
        host = next((word for word in plain if is_address(word)), LOCALHOST)
    return (LOCALHOST if host == "localhost" else host), number


def is_address(text: str) -> bool:
    """Is this an IP address (and no name)?"""
    try:
        ip.number(text)
    except ValueError:
        return False
    return True


def _files(world: World, netns: str, rest: Sequence[str]) -> list[str]:
    """The paths among these words that are no files of the container."""
    paths = [word for word in rest if word.startswith("/")]
    return [path for path in paths if world.get((netns, "file", path)) is None]


def _cat(world: World, netns: str, rest: Sequence[str]) -> Done:
    missing = _files(world, netns, rest)
    return Done(1, f"cat: can't open '{missing[0]}': No such file or directory") if missing else Done(0)


def _ls(world: World, netns: str, rest: Sequence[str]) -> Done:
    missing = _files(world, netns, rest)
    return Done(1, f"ls: {missing[0]}: No such file or directory") if missing else Done(0)


def _test(world: World, netns: str, rest: Sequence[str]) -> Done:
    return Done(1 if _files(world, netns, rest) else 0)


def _exit(world: World, netns: str, rest: Sequence[str]) -> Done:
    return Done(int(rest[0]) & 255 if rest and rest[0].isdecimal() else 0)


def _true(world: World, netns: str, rest: Sequence[str]) -> Done:
    return Done(0)


def _false(world: World, netns: str, rest: Sequence[str]) -> Done:
    return Done(1)


def _echo(world: World, netns: str, rest: Sequence[str]) -> Done:
    return Done(0, " ".join(rest))


PLAIN: Mapping[str, Callable[[World, str, Sequence[str]], Done]] = {
    **{"true": _true, ":": _true, "false": _false, "exit": _exit, "echo": _echo},
    **{"cat": _cat, "ls": _ls, "test": _test, "[": _test},
}
