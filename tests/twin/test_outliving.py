"""Real TCP connections while the rules under them change: each goes on or breaks as the engine says.

A client in a real namespace connects and waits; our components' new rules are loaded into the nodes' kernels; the
client asks for its page over the connection that it has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from k8slearn import Cluster
from tests.engine.test_conversations import CHANGES, _isolated, talking, with_web

from .grown import standing
from .twin import kernel, run

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(shutil.which("iptables-restore") is None, reason="not installed: iptables-restore"),
    pytest.mark.skipif(shutil.which("ipset") is None, reason="not installed: ipset"),
]
SOURCES = ("default/client", "node:node-1", "outside")
CLIENT = """
import socket, sys
asked = socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)
print("stands", flush=True)
sys.stdin.readline()
asked.settimeout(3)
try:
    asked.sendall(b"GET /hostname HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n")
    print("connected" if asked.recv(4096) else "closed")
except OSError as error:
    print(error)
"""
FLUSHED = "everything is flushed"


def _flushed(cluster: Cluster) -> None:
    """No rules, and no memory of connections: what was translated stays so no more."""
    for node in ("node-1", "node-2"):
        for command in ("iptables -t nat -F", "iptables -t filter -F", "conntrack -F"):
            assert cluster.node(node).run(command).exit_code == 0


CASES: list[tuple[str, str, Callable[[Cluster], None]]] = [
    *(("bridge", name, change) for name, change in CHANGES.items()),
    ("calico", "a policy isolates the pods", _isolated),
    ("bridge", FLUSHED, _flushed),
]


@pytest.mark.parametrize(("network", "name", "change"), CASES, ids=[case[1] for case in CASES])
def test_a_real_connection_outlives_what_the_engines_does(
    network: str, name: str, change: Callable[[Cluster], None], tmp_path: Path
) -> None:
    cluster = with_web(standing(2, network, 0))
    cluster.outside()
    talks = {source: talking(cluster.at(cluster.journal.revision), source) for source in SOURCES}
    with kernel(cluster.world.fork(), tmp_path) as script:
        clients = {source: _client(script, source, talk.asked[1], talk.asked[2]) for source, talk in talks.items()}
        assert {client.stdout.readline() for client in clients.values() if client.stdout} == {"stands\n"}
        change(cluster)
        for node in ("node-1", "node-2"):
            rules = cluster.node(node).run("iptables-save").stdout
            run(script, "exec", f"node:{node}", "iptables-restore", stdin=rules)
            if name == FLUSHED:
                run(script, "exec", f"node:{node}", "conntrack", "-F")
        real = {source: client.communicate("\n", timeout=20)[0].strip() for source, client in clients.items()}
    for talk in talks.values():
        change(talk.cluster)
    assert {s: said == "connected" for s, said in real.items()} == {
        s: talk.again() == "connected" for s, talk in talks.items()
    }, real


def _client(script: Path, source: str, address: str, port: int) -> subprocess.Popen[str]:
    command = ["bash", str(script), "exec", source, "python3", "-c", CLIENT, address, str(port)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
