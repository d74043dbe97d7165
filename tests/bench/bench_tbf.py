"""How long a megabyte takes through a token bucket: two real namespaces beside ours. Run it as root, by hand.

::

    python tests/bench/bench_tbf.py [RATE IN MBIT ...]

The kernel's time is measured with a real ``tbf`` and a real TCP connection, ours is read off the logical clock; they
should be within a tenth of one another. TCP is told to take no offloads (``gso``), so that its segments fit the bucket.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from threading import Thread

from k8slearn.journal import drive
from k8slearn.linux import socket as attempts
from tests.linux.boxes import MACHINE, Boxes, Rows

COUNT = 1_000_000
QUEUE = "tc qdisc add dev {dev} root tbf rate {rate}mbit burst 32kb latency 400ms"
CABLE = """
s: ip link add e0 type veth peer name e1 netns {c}
s: ip addr add 10.9.0.1/24 dev e0
c: ip addr add 10.9.0.2/24 dev e1
s: ip link set e0 gso_max_size 1514 up
c: ip link set e1 up
"""


def measured(rate: float) -> float:
    """Seconds from connect() until the last byte is here, on this machine's kernel."""
    there = Boxes("c", "s")
    try:
        there.script(CABLE)
        assert there.run("s", QUEUE.format(dev="e0", rate=rate)).returncode == 0
        listening = there.socket("s", socket.AF_INET, socket.SOCK_STREAM)
        listening.bind(("10.9.0.1", 80))
        listening.listen()
        Thread(target=lambda: _serve(listening), daemon=True).start()
        asking = there.socket("c", socket.AF_INET, socket.SOCK_STREAM)
        begin, got = time.monotonic(), 0
        asking.connect(("10.9.0.1", 80))
        while piece := asking.recv(1 << 16):
            got += len(piece)
        assert got == COUNT
        return time.monotonic() - begin
    finally:
        there.close()


def _serve(listening: socket.socket) -> None:
    talking, _ = listening.accept()
    talking.sendall(b"x" * COUNT)
    talking.close()


def ours(rate: float) -> float:
    """The same off the logical clock."""
    there = Rows()
    assert there.run(QUEUE.format(dev="c0", rate=rate)).exit_code == 0
    page = f"/bytes/{COUNT}"
    talk = attempts.connect(there.world, f"{MACHINE}/c", "10.2.0.2", 80, path=page, patience=1e6)
    return drive(talk, there.world.apply).seconds


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("needs root")
    subprocess.run(["tc", "-V"], check=True)
    for word in sys.argv[1:] or ("2", "5", "20"):
        real, mine = measured(float(word)), ours(float(word))
        print(f"{word:>5} Mbit/s: kernel {real:7.3f} s, ours {mine:7.3f} s, ours/kernel {mine / real:.3f}")
