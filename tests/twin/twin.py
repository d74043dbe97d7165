"""One cluster asked twice: the engine's fates, and what a real kernel does with the same probe."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from k8slearn.endpoints import resolve_source
from k8slearn.export import exported
from k8slearn.journal import World
from k8slearn.linux import socket
from k8slearn.trace import Fate


class Probe(NamedTuple):
    """One question: an endpoint, an address, a port, ``TCP`` or ``UDP``."""

    source: str
    address: str
    port: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.address}:{self.port}/{self.protocol}"


class Answer(NamedTuple):
    """What a client sees, in the words of a Trace."""

    outcome: str
    answered_by: str | None
    source_seen: str | None


@contextmanager
def kernel(world: World, directory: Path) -> Iterator[Path]:
    """The world in real network namespaces; the script that built them. A neighbour is given up after 0.75 s, not 3."""
    script = directory / "cluster.sh"
    text, patient = exported(world, "netns"), "retrans_time_ms = 1000"
    assert patient in text
    script.write_text(text.replace(patient, "retrans_time_ms = 250"))
    try:
        run(script, "up")
        yield script
    finally:
        run(script, "down")


def run(script: Path, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(["bash", str(script), *arguments], input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{script.name} {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def ask_kernel(script: Path, probes: list[Probe]) -> list[Answer]:
    """All at once: those that time out wait together."""
    lines = "".join(f"{p.source} {p.address} {p.port} {p.protocol}\n" for p in probes)
    found = [json.loads(line) for line in run(script, "probes", stdin=lines).splitlines()]
    return [Answer(f["outcome"], f["answered_by"], f["source_seen"]) for f in found]


def scope_of(world: World, source: str) -> str:
    """The namespace of a pod by its name (worlds that are wired by hand have no kubelet), or of any endpoint."""
    named = (scope for scope in world.scopes("netns") if world.get((scope, "netns", "")).name == source)
    return next(named, None) or resolve_source(world, source)


def ask_engine(world: World, probe: Probe) -> list[Fate]:
    return socket.fates(world, scope_of(world, probe.source), probe.address, probe.port, probe.protocol.lower())


def disagreements(world: World, probes: list[Probe], directory: Path) -> list[str]:
    """A report for each probe whose real answer is not among the engine's fates (or not equal to the only one).

    Probes side by side share a kernel's memory, and now and then one spoils it for another: a masqueraded packet to a
    neighbour that has failed makes the kernel send its error to that same neighbour, and what waited for it is thrown
    away in silence (neighbour.c: neigh_invalidate). So what differs is asked again, alone, in a cluster just built.
    """
    with kernel(world, directory) as script, ThreadPoolExecutor(1) as beside:
        fates = beside.submit(lambda: [ask_engine(world, probe) for probe in probes])
        answers = ask_kernel(script, probes)
        asked = list(zip(probes, answers, fates.result(), strict=True))
    differing = [(probe, possible) for probe, answer, possible in asked if not _among(answer, possible)]
    return [found for probe, possible in differing if (found := _alone(world, probe, possible, directory))]


def _among(answer: Answer, possible: list[Fate]) -> bool:
    return answer in {Answer(f.outcome, f.answered_by, f.source_seen) for f in possible}


def _alone(world: World, probe: Probe, possible: list[Fate], directory: Path) -> str:
    with kernel(world, directory) as script:
        (answer,) = ask_kernel(script, [probe])
    return "" if _among(answer, possible) else report(world, probe, answer, possible)


def report(world: World, probe: Probe, answer: Answer, possible: list[Fate]) -> str:
    """The question, both answers, and every step of the engine's walk."""
    fork = world.fork()
    walk = socket.connect(fork, scope_of(world, probe.source), probe.address, probe.port, probe.protocol.lower())
    attempt: Any = None
    while attempt is None:
        try:
            fork.apply(next(walk))
        except StopIteration as done:
            attempt = done.value
    lines = [f"{probe}", f"  kernel: {tuple(answer)}"]
    lines += [f"  engine: {f.probability} {(f.outcome, f.answered_by, f.source_seen)}" for f in possible]
    for leg in attempt.legs:
        lines.append(f"    {leg.time:g}s {leg.name} ({leg.direction})")
        lines += [f"      {s.where:30} {s.hook:11} {s.dev:12} {s.what:10} {s.says} | {s.after}" for s in leg.steps]
    return "\n".join(lines)


PORTS = ((80, "TCP"), (80, "TCP"), (80, "TCP"), (81, "TCP"), (22, "TCP"), (53, "UDP"), (54, "UDP"))
ELSEWHERE = ("203.0.113.7", "203.0.113.99", "10.96.3.3")
"""The host outside, a host that is not there, and an address of the cluster network that no Service has."""


def probes(world: World, random: Random, count: int) -> list[Probe]:
    """Questions of every kind: pods, nodes, Services, oneself through a Service, outside, closed ports, TCP and UDP."""
    pods = running(world)
    machines = sorted(world.table("api", "nodes").items())
    nodes = {f"node:{name}": node["status"]["addresses"][0]["address"] for name, node in machines}
    services = sorted(_services(world, list(nodes.values())))
    sources, addresses = [*pods, *pods, *pods, *nodes, "outside"], [*pods.values(), *pods.values(), *nodes.values()]
    found: list[Probe] = []
    for _ in range(count):
        if services and random.random() < 0.45:
            found.append(Probe(random.choice(sources), *random.choice(services)))
        else:
            found.append(Probe(random.choice(sources), random.choice([*addresses, *ELSEWHERE]), *random.choice(PORTS)))
    return list(dict.fromkeys(found))


def probes6(world: World, random: Random, count: int) -> list[Probe]:
    """The same of the second family's addresses."""
    pods = [name for name in running(world) if name.startswith("default/")]
    status = {name: world.get(("api", "pods", name))["status"] for name in pods}
    machines = world.table("api", "nodes").values()
    nodes = [a["address"] for node in machines for a in node["status"]["addresses"] if ":" in a["address"]]
    services = sorted(door for door in _services(world, nodes) if ":" in door[0])
    sources = [*pods, *pods, *(f"node:{name}" for name in world.table("api", "nodes")), "outside"]
    own = [each["ip"] for told in status.values() for each in told["podIPs"] if ":" in each["ip"]]
    found: list[Probe] = []
    for _ in range(count):
        if services and random.random() < 0.45:
            found.append(Probe(random.choice(sources), *random.choice(services)))
        else:
            address = random.choice([*own, *own, *nodes, "2001:db8:113::7", "2001:db8:113::99", "fd00:10:96::33"])
            found.append(Probe(random.choice(sources), address, *random.choice(PORTS)))
    return list(dict.fromkeys(found))


def running(world: World) -> dict[str, str]:
    """The pods that have a network, with their addresses (a node that was never heard of runs none)."""
    pods = sorted(world.table("api", "pods").items())
    return {str(name): pod["status"]["podIP"] for name, pod in pods if "podIP" in pod.get("status", {})}


def _services(world: World, nodes: list[str]) -> Iterator[tuple[str, int, str]]:
    """Every door of every Service: its cluster IP, and its node port on each node."""
    for service in world.table("api", "services").values():
        for port in service["spec"]["ports"]:
            protocol = port.get("protocol", "TCP")
            yield from ((ip, port["port"], protocol) for ip in _ips(service))
            if port.get("nodePort"):
                yield from ((node, port["nodePort"], protocol) for node in nodes)


def _ips(service: Any) -> list[str]:
    return service["spec"].get("clusterIPs") or [service["spec"]["clusterIP"]]
