"""What kube-proxy's syncs cost as the Services grow, beside the kernel's tools taking the same rules in the same run.

    python tests/bench/bench_sync.py [--services 800 5000 10000] [--kernel]

Seconds of processor time for a cluster of two nodes: all Services applied at once, one more, and a pod of a quarter of
them deleted, in iptables and in nftables mode. With --kernel (as root on Linux) ``iptables-restore`` and ``nft -f``
take one node's rules in a network namespace of their own. It reports, it does not gate.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable
from typing import Any

from k8slearn import Cluster

NETNS = "k8s-bench-sync"
LOAD = {
    "iptables": ("iptables-save -t nat", ["iptables-restore"]),
    "nftables": ("nft list ruleset", ["nft", "-f", "-"]),
}


def pod(number: int) -> dict[str, Any]:
    container = {"name": "main", "image": "nginx", "ports": [{"containerPort": 80}]}
    metadata = {"name": f"p{number}", "labels": {"app": f"a{number}"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def service(name: str, number: int) -> dict[str, Any]:
    spec = {"selector": {"app": f"a{number % 4}"}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def loaded(cluster: Cluster, mode: str) -> float:
    """Seconds that the real tool needs for one node's rules."""
    command, tool = LOAD[mode]
    text = cluster.node("node-1").run(command).stdout
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        started = time.perf_counter()
        subprocess.run(["ip", "netns", "exec", NETNS, *tool], input=text, text=True, check=True)
        return time.perf_counter() - started
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=True)


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--services", type=int, nargs="+", default=[800, 5000, 10000])
    given.add_argument("--kernel", action="store_true")
    asked = given.parse_args()
    for mode in LOAD:
        for count in asked.services:
            cluster = Cluster(nodes=2, network="bridge", proxy=mode)
            cluster.apply([pod(n) for n in range(4)])
            every = timed(lambda: cluster.apply([service(f"s{n}", n) for n in range(count)]))  # noqa: B023
            more = timed(lambda: cluster.apply(service("one-more", 1)))  # noqa: B023
            gone = timed(lambda: cluster.delete("pod", "p1"))  # noqa: B023
            told = f"{mode:9} {count:6} Services  all {every:6.2f} s ({every / count * 1000:.2f} ms each)"
            told += f"  one more {more:5.2f} s  an endpoint of a quarter gone {gone:5.2f} s"
            if asked.kernel:
                real = loaded(cluster, mode)
                told += f"  {LOAD[mode][1][0]} {real:5.2f} s  ours / real {every / 2 / real:.1f}"
            print(told, flush=True)


if __name__ == "__main__":
    main()
