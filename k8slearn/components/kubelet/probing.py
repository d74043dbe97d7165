"""One try of a probe: a connection from the node to the pod, or a command in the container; and the words for it.

The kubelet's HTTP, TCP and gRPC probes start on the node, in its own network namespace, and go to the pod's address
through everything that lies between: routes, the pod's veth, netfilter. So a probe is a witness of the law that
agents on a node reach its pods. The sentences are Go's, as events show them (pkg/kubelet/prober, pkg/probe).

An answer is remembered together with the tables that its packets looked at, and holds until a row of one of them
changes: who asks again before that would hear the same. Where chance had a say nothing is remembered.

Success is a status of 200 to 399 (pkg/probe/http); a redirect, which the kubelet follows on the same host only, is told
as a warning. A probe that could not be asked at all (no such port, no such program) has **errored**: that is told, and
counts for nothing, so that a liveness probe of a missing program kills nobody (worker.go: doProbe).

Left out: listeners that redirect, what a try leaves in the kernels (connection tracking, neighbours, counters),
TLS, and gRPC's own words: whoever listens on a gRPC probe's port is taken to serve.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from k8slearn.cni.cri import Container, Sandbox
from k8slearn.components.kubelet import commands, programs
from k8slearn.components.kubelet.pod import Pod
from k8slearn.journal import Table, World, digest, drive
from k8slearn.linux import socket
from k8slearn.linux.listen import place, status
from k8slearn.trace import Attempt

TIMED_OUT = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
UNNAMED = 'strconv.Atoi: parsing "{port}": invalid syntax'
CLOCK = ("clock", "now")
FLEETING = ("xt", "recent")
"""What rules remember of the time (`-m limit`, `-m recent`): an answer that depends on it may be another one later."""
Obj = dict[str, Any]
Name = tuple[str, str, str]
"""(pod, container, kind)."""


class Answer(NamedTuple):
    """What came of one try. `verb`: how it is told when it did not pass."""

    passed: bool
    says: str = ""
    verb: str = "failed"
    warning: bool = False


Versions = dict[tuple[str, str], object]
"""Each table that packets looked at, and how it was then."""
Memory = dict[Name, tuple[Answer, Versions]]


def _memory(rows: Table) -> Memory:
    return {}


def _version(rows: Table) -> object:
    """A token that is another one as soon as a row of the table has changed."""
    return object()


def lasting(fork: World, draws: int) -> bool:
    """Would the same come out later, if nothing changed?"""
    return not draws and not any(table in FLEETING for _, table in fork.rows)


def versions(world: World, fork: World) -> Versions:
    """How all that was looked at in a fork stands in the world."""
    return {at: world.table(*at).index(_version) for at in set(fork.rows) - {CLOCK}}


def hold(world: World, before: Versions) -> bool:
    """Has nothing of it changed since?"""
    return all(world.table(*at).index(_version) is version for at, version in before.items())


def remembered(world: World, node: str, name: Name) -> Answer | None:
    """The last answer, if nothing that it depended on has changed since."""
    found = world.table(node, "probe").index(_memory).get(name)
    return found[0] if found is not None and hold(world, found[1]) else None


def ask(pod: Pod, sandbox: Sandbox, spec: Obj, container: Container, kind: str) -> Answer:
    """Try a probe: the world stays as it is. (A fork knows which tables were looked at: they are its `rows`.)"""
    wanted, fork = spec[f"{kind}Probe"], pod.world.fork()
    fork.revision = int(1000 * pod.world.clock)  # chance depends on when a probe is tried, not on what else happened
    tried = _tried(fork, pod, sandbox, spec, container, wanted)
    if lasting(fork, tried.draws):
        memory = pod.world.table(pod.node, "probe").index(_memory)
        memory[pod.key, container.name, kind] = (tried.answer, versions(pod.world, fork))
    return tried.answer


class _Tried(NamedTuple):
    answer: Answer
    draws: int = 0


def _tried(world: World, pod: Pod, sandbox: Sandbox, spec: Obj, container: Container, wanted: Obj) -> _Tried:
    timeout = float(wanted.get("timeoutSeconds") or 1)
    if "exec" in wanted:
        words = [str(word) for word in wanted["exec"].get("command") or ()]
        bare = programs.short_name(str(spec.get("image", ""))) in programs.BARE
        done = commands.run(world, sandbox.netns, words, timeout, bare)
        if done.code is None:
            return _Tried(Answer(True, done.output, warning=True))
        return _Tried(Answer(done.code == 0, done.output, done.verb), done.draws)
    handler = next(name for name in ("httpGet", "tcpSocket", "grpc") if name in wanted)
    asked: Obj = wanted[handler]
    port = _port(spec, asked.get("port"))
    if port is None:
        return _Tried(Answer(False, UNNAMED.format(port=asked.get("port")), commands.ERRORED))
    host = str(asked.get("host") or sandbox.ip)
    if not commands.is_address(host):
        return _Tried(Answer(False, f"dial tcp: lookup {host}: no such host"))
    attempt = reach(world, pod.node, host, port, timeout, container.id)
    return _Tried(WORDS[handler](attempt, asked, host, port, timeout), len(attempt.draws))


def reach(world: World, netns: str, host: str, port: int, timeout: float, who: str) -> Attempt:
    """A TCP connection with the patience of a probe. Its source port depends on `who` asks alone."""
    knocks = max(1, sum(time < timeout for time in socket.SYN_TIMES))
    sport = 32768 + int(digest("probe", who, length=6), 16) % 28232
    walk = socket.connect(world, netns, host, port, "tcp", sport=sport, attempts=knocks, patience=timeout)
    return drive(walk, world.apply)


def _port(spec: Obj, port: Any) -> int | None:
    """A port by its number, or by the name that the container gave it."""
    if isinstance(port, int):
        return port
    named = {p.get("name"): p["containerPort"] for p in spec.get("ports") or ()}
    if port in named:
        return int(named[port])
    return int(port) if isinstance(port, str) and port.isascii() and port.isdigit() else None


def refusal(attempt: Attempt, timeout: float) -> str:
    """Why a connection failed, as Go says the errno; empty: nobody answered in time."""
    words, last = attempt.ending.error, attempt.legs[-1].time if attempt.legs else 0.0
    neighbour = words == "No route to host" and last == 0.0 and attempt.decisive is not None
    slow = neighbour and timeout < socket.NEIGHBOUR_TIMEOUT
    if attempt.ending.outcome == "timeout" or slow:
        return ""
    words = words or "Connection refused"
    return f"connect: {words[0].lower()}{words[1:]}"


def _http(attempt: Attempt, asked: Obj, host: str, port: int, timeout: float) -> Answer:
    scheme, path = str(asked.get("scheme") or "HTTP").lower(), str(asked.get("path") or "/")
    there = place(host, port)
    url = f"{scheme}://{there}{path if path.startswith('/') else '/' + path}"
    if attempt.ending.outcome != "connected":
        why = refusal(attempt, timeout)
        return Answer(False, f'Get "{url}": ' + (f"dial tcp {there}: {why}" if why else TIMED_OUT))
    code = int(status(attempt.ending.payload)[:3])
    if 300 <= code < 400:
        return Answer(True, "Probe terminated redirects, Response body: ", warning=True)
    return Answer(200 <= code < 300, f"HTTP probe failed with statuscode: {code}")


def _tcp(attempt: Attempt, asked: Obj, host: str, port: int, timeout: float) -> Answer:
    if attempt.ending.outcome == "connected" or attempt.handshake is not None:
        return Answer(True)
    return Answer(False, f"dial tcp {place(host, port)}: {refusal(attempt, timeout) or 'i/o timeout'}")


def _grpc(attempt: Attempt, asked: Obj, host: str, port: int, timeout: float) -> Answer:
    if attempt.ending.outcome == "connected":
        return Answer(True)
    why = f'timeout: failed to connect service "{place(host, port)}" within {timeout:.0f}s: context deadline exceeded'
    return Answer(False, why)


WORDS = {"httpGet": _http, "tcpSocket": _tcp, "grpc": _grpc}
