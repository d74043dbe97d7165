"""How fast a packet's walk is, beside the kernel's own in the same run.

    python tests/bench/bench_walk.py [--services 10000] [--kernel]

Traces per second for pod to pod on one node, pod to pod on two nodes, through the first and the last of many
Services whose pod is on the other node, past all of them to a pod on the same node, and between two boxes over a
VXLAN. With --kernel (as root on Linux) the same cluster stands in network namespaces (`cluster.export("netns")`), and
the same questions are put there, in turn with ours: one TCP connect in a tight loop, and one probe by ``ip netns
exec``, with bash alone, with curl, and as ``script probe`` puts it. It reports and gates nothing; each figure is a
median.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from k8slearn import Cluster
from k8slearn.journal import Put, World, drive
from k8slearn.linux import attempt, link
from k8slearn.linux.rows import Netns, Socket
from k8slearn.shell import run

CLONE_NEWNET = 0x40000000
PODS = [("client", "node-1"), ("near", "node-1"), ("far", "node-2")]


def pod(name: str, node: str) -> dict[str, Any]:
    container = {"name": "main", "image": "nginx", "ports": [{"containerPort": 80}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": [container]},
    }


def service_ip(number: int) -> str:
    return f"10.100.{number >> 8}.{number & 255}"


def rules(targets: list[str]) -> str:
    """What kube-proxy writes for Services of one endpoint each, as iptables-restore reads it."""
    chains, lines = [":KUBE-SERVICES - [0:0]"], []
    for n, target in enumerate(targets):
        service, endpoint = f"KUBE-SVC-{n:016d}", f"KUBE-SEP-{n:016d}"
        comment = f'-m comment --comment "default/s{n} cluster IP"'
        chains += [f":{service} - [0:0]", f":{endpoint} - [0:0]"]
        lines += [
            f"-A KUBE-SERVICES -d {service_ip(n)}/32 -p tcp {comment} -m tcp --dport 80 -j {service}",
            f"-A {service} ! -s 10.244.0.0/16 -d {service_ip(n)}/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ",
            f"-A {service} -j {endpoint}",
            f"-A {endpoint} -s {target}/32 -j KUBE-MARK-MASQ",
            f"-A {endpoint} -p tcp -m tcp -j DNAT --to-destination {target}:80",
        ]
    return "\n".join(["*nat", *chains, *lines, "COMMIT", ""])


def cluster_of(services: int) -> Any:
    cluster = Cluster(nodes=2)
    cluster.apply([pod(name, node) for name, node in PODS])
    far, near = pod_ip(cluster, "default/far"), pod_ip(cluster, "default/near")
    done = cluster.node("node-1").run("iptables-restore --noflush", stdin=rules([far] * services + [near]))
    assert done.exit_code == 0, done.stderr
    return cluster


OVERLAY = (Path(__file__).parent.parent / "shell" / "vxlan.txt").read_text()


def over_vxlan() -> Callable[[], Any]:
    """One attempt between two boxes whose packets travel inside others."""
    world = World()
    world.apply(Put(("m", "netns", ""), Netns("m", "m")))
    drive(link.add_loopback("m"), world.apply)
    for line in filter(None, OVERLAY.splitlines()):
        assert drive(run(world, "m", line), world.apply).exit_code == 0, line
    world.apply(Put(("m/b", "socket", ("tcp", "0.0.0.0", 80)), Socket("tcp", "0.0.0.0", 80, "nginx", "b", "b")))

    def ask() -> Any:
        fork = world.fork()
        return drive(attempt.connect(fork, "m/a", "10.244.1.0"), fork.apply)

    drive(attempt.connect(world, "m/a", "10.244.1.0"), world.apply)
    assert ask().ending.outcome == "connected"
    return ask


def seconds(ask: Callable[[], Any]) -> float:
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start


def in_a_loop(ask: Callable[[], Any]) -> float:
    """The median seconds of a few, one right after the other."""
    return median(seconds(ask) for _ in range(9))


def rounds(questions: dict[str, Callable[[], float]], times: int) -> dict[str, float]:
    """The median seconds of each, asked in turn so that a busy moment of the machine hits all alike."""
    took: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(times):
        for name, ask in questions.items():
            took[name].append(ask())
    return {name: median(found) for name, found in took.items()}


@contextmanager
def kernel(cluster: Any) -> Iterator[tuple[str, list[str]]]:
    """The cluster in real namespaces; gives the name of the client's, and the words that run its script."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "cluster.sh"
        script.write_text(cluster.export("netns"))
        run = ["bash", str(script)]
        try:
            subprocess.run([*run, "up"], check=True, capture_output=True)
            where = subprocess.run(
                [*run, "exec", "default/client", "ip", "netns", "identify"], capture_output=True, text=True
            )
            yield where.stdout.strip(), run
        finally:
            subprocess.run([*run, "down"], check=False, capture_output=True)


@contextmanager
def connecting(netns: str) -> Iterator[Callable[[str], float]]:
    """Asks how many seconds one TCP connect takes in this namespace (it asks a child: a namespace is for ever)."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        place = os.open(f"/run/netns/{netns}", os.O_RDONLY)
        assert ctypes.CDLL(None).setns(place, CLONE_NEWNET) == 0
        ours.close()
        while address := theirs.recv(64).decode():
            theirs.send(struct.pack("d", in_a_loop(lambda a=address: connect(a))))
        os._exit(0)

    def ask(address: str) -> float:
        ours.send(address.encode())
        return float(struct.unpack("d", ours.recv(8))[0])

    theirs.close()
    yield ask
    ours.close()
    os.waitpid(child, 0)


def connect(address: str) -> None:
    with socket.socket() as sock:
        sock.connect((address, 80))


def probes(netns: str, script: list[str], address: str) -> dict[str, Callable[[], float]]:
    inside = ["ip", "netns", "exec", netns]
    commands = {
        "ip netns exec, bash's /dev/tcp": [*inside, "bash", "-c", f"exec 3<>/dev/tcp/{address}/80"],
        "ip netns exec, curl": [*inside, "curl", "-s", "-o", "/dev/null", f"http://{address}/"],
        "script probe": [*script, "probe", "default/client", address, "80"],
    }
    return {
        name: lambda c=command: seconds(lambda: subprocess.run(c, check=True, capture_output=True))
        for name, command in commands.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--kernel", action="store_true")
    asked = parser.parse_args()
    cluster, last = cluster_of(asked.services), service_ip(asked.services - 1)
    targets = {
        "same node": "default/near",
        "other node": "default/far",
        "first Service": service_ip(0),
        "last Service": last,
        "past all, near": service_ip(asked.services),
    }
    for target in targets.values():
        assert cluster.send("default/client", target).outcome == "connected", "and neighbours know each other now"
    asks = {n: lambda t=t: in_a_loop(lambda: cluster.trace("default/client", t)) for n, t in targets.items()}
    vxlan = over_vxlan()
    asks["over VXLAN"] = lambda: in_a_loop(vxlan)
    if not asked.kernel:
        tell(cluster, targets, rounds(asks, 50))
        return
    with kernel(cluster) as (netns, script), connecting(netns) as real:
        ip = {name: target if target[0] == "1" else pod_ip(cluster, target) for name, target in targets.items()}
        loops = {f"kernel {name}": lambda a=address: real(a) for name, address in ip.items()}
        found = rounds({**asks, **loops}, 50)
        execs = rounds(probes(netns, script, last), 15)
    tell(cluster, targets, found)
    for name in targets:
        took = found[f"kernel {name}"]
        print(f"kernel, connect, {name:14} {took * 1e3:8.3f} ms   trace / connect {found[name] / took:6.2f}")
    for name, took in execs.items():
        print(f"kernel, {name:32} {took * 1e3:8.3f} ms   probe / trace {took / found['last Service']:6.1f}")


def tell(cluster: Any, targets: dict[str, str], walks: dict[str, float]) -> None:
    for name in (*targets, "over VXLAN"):
        compared = cluster.trace("default/client", targets[name]).compared if name in targets else 0
        took = f"{walks[name] * 1e3:8.3f} ms {1 / walks[name]:8.0f}/s"
        print(f"trace, {name:14} {took}   {compared:6} rules that Linux compares")
    print(f"last Service / first Service: {walks['last Service'] / walks['first Service']:.3f}")


def pod_ip(cluster: Any, endpoint: str) -> str:
    return str(cluster.get("pod", endpoint.partition("/")[2])["status"]["podIP"])


if __name__ == "__main__":
    main()
