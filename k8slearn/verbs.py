"""The kinds of inputs that a cluster takes: what a person can do to it, each as a generator of commands.

Arguments are plain JSON, as the person typed them (a manifest is YAML text, a command is a command line), so that a
journal can be saved, shared and replayed. The engine runs a verb twice over: `Engine.do` journals what it yields,
`Engine.ask` throws it away.

Left out: verbs of the API that write one field (``kubectl scale`` and the like are commands, and stay so).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from k8slearn import api, dns, endpoints, ground, names, power, shell
from k8slearn.cni import cri
from k8slearn.cni.skel import BINARIES, Binary
from k8slearn.engine import Verb
from k8slearn.errors import Refused
from k8slearn.journal import Command, Key, Put, World
from k8slearn.linux import faults, socket
from k8slearn.linux.program import Result
from k8slearn.linux.resolver import BOTH, Lookup
from k8slearn.shell import http as web
from k8slearn.shell import learned
from k8slearn.trace import Attempt, Ending

Arguments = Mapping[str, Any]
Doing = Generator[Command, None, Any]
PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


@dataclass(frozen=True, slots=True)
class Question:
    """A source, a destination and a port, understood: who sends, and to which address."""

    source: str
    destination: str
    port: int
    protocol: str
    netns: str
    address: str | None
    request: str = ""
    """What is asked for over the connection, as an HTTP client writes it; empty: ``GET /``, and no more."""

    @property
    def proto(self) -> str:
        return PROTOCOLS[self.protocol]

    @property
    def asking(self) -> dict[str, Any]:
        """What `socket.connect` is told of the request: its text, and how long the client waits for the answer."""
        return {"request": self.request, "patience": web.ANSWER} if self.request else {}


@dataclass(frozen=True, slots=True)
class Asked:
    """What `send` returns: the question, the attempt, and the revision at which it was made."""

    question: Question
    attempt: Attempt
    revision: int
    lookup: Lookup | None = None
    """How the destination's name was resolved, if it was one."""


def apply(world: World, arguments: Arguments) -> Generator[Command, None, list[Key]]:
    """``kubectl apply -f -``: returns the keys of the objects, in their order."""
    keys = []
    for obj in api.load(arguments["source"], arguments["namespace"]):
        keys.append((yield from api.apply(world, obj)))
    return keys


def delete(world: World, arguments: Arguments) -> Doing:
    """``kubectl delete RESOURCE NAME``."""
    yield from api.delete(world, arguments["resource"], arguments["name"], arguments["namespace"])


def run(world: World, arguments: Arguments) -> Generator[Command, None, Result]:
    """A command on a node, in a pod or on an outside host."""
    on = arguments["on"]
    yield from outside_host(world, on)
    scope = endpoints.resolve_source(world, on)
    if arguments.get("container"):
        endpoints.container_of(world, on, arguments["container"])
    env = {**_variables(world, on, arguments.get("container", "")), **arguments.get("env", {})}
    return (yield from shell.run(world, scope, arguments["command"], arguments.get("stdin", ""), env))


def _variables(world: World, on: str, name: str) -> dict[str, str]:
    """The environment of the container (the first one, unless it is named) that a command runs in; else none."""
    pod = world.get(("api", "pods", on))
    if pod is None:
        return {}
    wanted = name or pod["spec"]["containers"][0]["name"]
    rows = cri.containers(world, f"node:{pod['spec'].get('nodeName', '')}", on)
    found = next((row for row in reversed(rows) if (row.name, row.state) == (wanted, cri.RUNNING)), None)
    return cri.variables(world, found) if found is not None else {}


def kubectl(world: World, arguments: Arguments) -> Generator[Command, None, Result]:
    """A kubectl command, on the administrator's own machine; a line of several (``get pods | grep web``) too."""
    control_plane = f"node:{world.get(ground.SETTINGS).nodes[0][0]}"
    if shell.joined(arguments["command"]):
        return (
            yield from shell.run(world, control_plane, f"kubectl {arguments['command']}", arguments.get("stdin", ""))
        )
    words = ["kubectl", *_words(arguments["command"])]
    return (yield from shell.run(world, control_plane, words, arguments.get("stdin", "")))


def send(world: World, arguments: Arguments) -> Generator[Command, None, Asked]:
    """One whole attempt to connect; what the kernels learn from it is what it yields.

    `recording` False: captures and counters are left out, as when somebody only asks.
    """
    told = {"recording": True, **arguments}
    recording = bool(told.pop("recording"))
    yield from outside_host(world, told["source"])
    yield from outside_host(world, told["destination"])
    asked = question(world, **told)
    revision = world.revision
    found = None
    if asked.address is None:
        box = names.box_of(world, asked.source, asked.netns)
        found = yield from names.lookup(world, asked.netns, asked.destination, box, recording=recording)
        if not found.addresses:
            return Asked(asked, Attempt((), Ending("unresolved", error=found.error), ()), revision, found)
        asked = replace(asked, address=found.addresses[0])
    attempt = yield from socket.connect(
        world,
        asked.netns,
        asked.address or "",
        port=asked.port,
        proto=asked.proto,
        recording=recording,
        nth=len(found.queries) if found is not None else 0,
    )
    if found is not None and recording:
        attempt = attempt._replace(frames=(*names.frames(found), *attempt.frames))
        yield Put(socket.CAPTURED, attempt.frames)
    return Asked(asked, attempt, revision, found)


def lookup(world: World, arguments: Arguments) -> Generator[Command, None, tuple[str, Lookup, int]]:
    """A name is resolved from somewhere, as a program there would; returns (who asks, the lookup, the revision)."""
    source, name, kind = arguments["source"], arguments["name"], str(arguments.get("type") or "").upper()
    if kind and kind not in dns.TYPES:
        raise Refused(f"a record type is one of {', '.join(dns.TYPES)}, not {arguments['type']!r:.80}")
    if not isinstance(name, str) or not dns.is_name(name):
        raise Refused(f"{name!r:.300} is no name: labels of 1 to 63 letters, joined by dots")
    yield from outside_host(world, source)
    netns = endpoints.resolve_source(world, source)
    box, revision = names.box_of(world, source, netns), world.revision
    kinds = (kind,) if kind else BOTH
    found = yield from names.lookup(world, netns, name, box, kinds)
    return netns, found, revision


def request(world: World, arguments: Arguments) -> Generator[Command, None, Asked]:
    """One HTTP request, as ``curl`` sends it: to `connect_to` (``ENDPOINT:PORT``), or to the URL's own host."""
    url = web.parse(str(arguments["url"]))
    if url is None or url.scheme not in web.PORTS:
        raise Refused(f"a URL is like http://shop.example/cart, not {arguments['url']!r:.80}")
    to, port = _connect_to(str(arguments.get("connect_to") or ""), url)
    yield from outside_host(world, arguments["source"])
    yield from outside_host(world, to)
    asked = question(world, arguments["source"], to, port)
    found = None
    if asked.address is None:
        found = yield from names.lookup(world, asked.netns, to, names.box_of(world, asked.source, asked.netns))
        if not found.addresses:
            return Asked(asked, Attempt((), Ending("unresolved", error=found.error), ()), world.revision, found)
        asked = replace(asked, address=found.addresses[0])
    words = web.Words(arguments.get("method", "GET"), tuple((arguments.get("headers") or {}).items()))
    asked = replace(asked, request=words.request(url).text)
    forced = arguments.get("forced")
    attempt = yield from socket.connect(
        world,
        asked.netns,
        asked.address or "",
        port=port,
        forced=forced,
        attempts=len(socket.SYN_TIMES) if forced is None else 1,
        **asked.asking,
    )
    return Asked(asked, attempt, world.revision, found)


def _connect_to(text: str, url: web.Url) -> tuple[str, int]:
    """``node:node-1:30080`` is an endpoint and a port; without a port it is the URL's own."""
    if not text:
        return url.host, url.port
    endpoint, _, port = text.rpartition(":")
    return (endpoint, port_number(port)) if endpoint and port.isdecimal() else (text, url.port)


def outside(world: World, arguments: Arguments) -> Doing:
    """A host beyond the node network (or another machine on it) is plugged in."""
    yield from ground.ensure_outside(world, arguments["address"])


def answer(world: World, arguments: Arguments) -> Doing:
    """A learner's answer to a question of an exercise: it is journalled, and changes nothing else."""
    yield Put(("exercise", "answers", arguments["question"]), json.dumps(arguments["value"], sort_keys=True))


def fault(world: World, arguments: Arguments) -> Generator[Command, None, faults.Injected]:
    """Something breaks on a node, in a pod or on an outside host."""
    on, kind = arguments["on"], arguments["fault"]
    yield from outside_host(world, on)
    yield from faults.inject(world, endpoints.resolve_source(world, on), kind, arguments.get("arguments", {}))
    return faults.active(world)[-1]


def lift(world: World, arguments: Arguments) -> Doing:
    """What a fault broke is mended."""
    yield from faults.lift(world, arguments["name"])


def install_plugin(world: World, arguments: Arguments) -> Doing:
    """A learner's own CNI plugin lies in /opt/cni/bin of every node; what it does the learner's function is asked."""
    name = learned.name_of_plugin(arguments["name"])
    for scope in world.scopes("netns"):
        if scope.startswith("node:") and "/" not in scope:
            yield Put((scope, "binary", f"{BINARIES}/{name}"), Binary(learned.Learned(name)))


def turn(world: World, arguments: Arguments) -> Doing:
    """A node's machine is switched off or on: `to` is ``reboot``, ``shutdown`` or ``boot``."""
    yield from POWER[arguments["to"]](world, arguments["node"])


POWER = {"reboot": power.reboot, "shutdown": power.shutdown, "boot": power.boot}


def question(world: World, source: str, destination: str, port: int = 80, protocol: str = "TCP") -> Question:
    """Understand a question. Raises `Refused` with one sentence."""
    protocol = protocol_name(protocol)
    port = port_number(port)
    netns = endpoints.resolve_source(world, source)
    return Question(
        source, destination, port, protocol, netns, endpoints.resolve_destination(world, destination, netns)
    )


def protocol_name(protocol: Any) -> str:
    """``TCP``, ``UDP`` or ``SCTP``, however it was written."""
    if not isinstance(protocol, str) or protocol.upper() not in PROTOCOLS:
        raise Refused(f"protocol is TCP, UDP or SCTP, not {protocol!r:.80}")
    return protocol.upper()


def port_number(port: Any) -> int:
    """1 to 65535, as a number or as digits."""
    if isinstance(port, str) and port.isascii() and port.isdecimal() and len(port) < 8:
        port = int(port)
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise Refused(f"a port is a number from 1 to 65535, not {port!r:.80}")
    return port


def outside_host(world: World, endpoint: Any) -> Generator[Command, None, None]:
    """Naming an outside host is enough for it to be there."""
    address = endpoints.outside_of(endpoint) if isinstance(endpoint, str) else None
    if address is not None:
        yield from ground.ensure_outside(world, endpoints.address_of(world, address))


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        raise Refused("the command has a quotation mark without its partner") from None
    return words[1:] if words[:1] == ["kubectl"] else words


def _program(arguments: Arguments) -> str:
    """The program that a command line starts: the author of what it writes."""
    words = str(arguments["command"]).split()
    return words[0].rpartition("/")[2] if words else "sh"


def _named(name: str) -> Callable[[Arguments], str]:
    return lambda arguments: name


VERBS: Mapping[str, Verb] = {
    "apply": Verb(apply, _named("kubectl")),
    "delete": Verb(delete, _named("kubectl")),
    "run": Verb(run, _program),
    "kubectl": Verb(kubectl, _named("kubectl")),
    "send": Verb(send, _named("kernel")),
    "request": Verb(request, _named("kernel")),
    "lookup": Verb(lookup, _named("kernel")),
    "outside": Verb(outside, _named("installer")),
    "fault": Verb(fault, lambda arguments: f"fault {arguments['fault']}"),
    "lift": Verb(lift, _named("learner")),
    "install-plugin": Verb(install_plugin, _named("learner")),
    "power": Verb(turn, _named("learner")),
    "answer": Verb(answer, _named("learner")),
}
