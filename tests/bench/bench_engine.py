"""How fast the engine builds a cluster, starts again, traces and explains; and the real kernel doing the same, in
the same run.

    python tests/bench/bench_engine.py [--kernel]

Each figure is the median of several runs, in milliseconds. With --kernel (as root on Linux) the same cluster is built
in network namespaces by `cluster.export("netns")`, and one connection is probed there: the ratios say how much a
question costs against the real thing. It reports and gates nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

IMPORT = "import time; t = time.perf_counter(); import k8slearn; k8slearn.Cluster; print(time.perf_counter() - t)"
PODS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 30
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def timed(work: Callable[[], Any], runs: int = 15) -> float:
    """The median time of one call, in milliseconds."""
    took = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        took.append((time.perf_counter() - start) * 1000)
    return median(took)


def thirty_pods() -> Any:
    from k8slearn import Cluster

    cluster = Cluster(nodes=3)
    cluster.apply(PODS)
    return cluster


def kernel(cluster: Any, source: str, address: str) -> dict[str, float]:
    """The same cluster and the same question in real network namespaces."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "cluster.sh"
        script.write_text(cluster.export("netns"))
        run = ["bash", str(script)]
        try:
            up = timed(lambda: subprocess.run([*run, "up"], check=True, capture_output=True), 1)
            probe = [*run, "probe", source, address, "80"]
            return {
                "kernel: build": up,
                "kernel: probe": timed(lambda: subprocess.run(probe, check=True, capture_output=True), 3),
            }
        finally:
            subprocess.run([*run, "down"], check=False, capture_output=True)


def main() -> None:
    imports = [float(subprocess.check_output([sys.executable, "-c", IMPORT])) * 1000 for _ in range(5)]
    thirty_pods()
    cluster = thirty_pods()
    first, *_, last = sorted(f"default/{p['metadata']['name']}" for p in cluster.get("pods"))
    figures = {
        "import k8slearn and Cluster": median(imports),
        "3 nodes and 30 pods": timed(thirty_pods),
        "trace pod to pod": timed(lambda: cluster.trace(first, last), 200),
        "trace pod to Service": timed(lambda: cluster.trace(first, "svc:default/web"), 200),
        "fates of a Service with 30 endpoints": timed(lambda: cluster.trace(first, "svc:default/web").fates(), 5),
    }
    if "--kernel" in sys.argv:
        pod = cluster.get("pod", last.partition("/")[2])
        real = kernel(cluster, first, pod["status"]["podIP"])
        figures |= real
        print(f"{'ratio kernel / engine, build':40} {real['kernel: build'] / figures['3 nodes and 30 pods']:10.0f}")
        print(f"{'ratio kernel / engine, one question':40} {real['kernel: probe'] / figures['trace pod to pod']:10.0f}")
    for name, value in figures.items():
        print(f"{name:40} {value:10.2f} ms")


if __name__ == "__main__":
    main()
