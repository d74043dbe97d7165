"""``curl``, ``wget``, ``ss`` and ``arp`` over a real cable to a real server, and over ours."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from k8slearn.journal import Put
from k8slearn.linux.rows import Socket
from tests.linux.boxes import MACHINE, Rows, boxes
from tests.shell.conftest import Ours

pytestmark = pytest.mark.root

WIRE = """
ip link set lo up
ip netns add x
ip link add v0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns x
ip addr add 10.0.0.1/24 dev v0
ip link set v0 up
ip -n x addr add 10.0.0.2/24 dev eth0
ip -n x link set eth0 up
ip -n x link set lo up
iptables -A OUTPUT -p tcp --dport 88 -j DROP
iptables -A OUTPUT -p tcp --dport 89 -j REJECT
"""
SERVER = """
import http.server, socketserver
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"Hello from web!"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")
    do_HEAD = do_GET
    def log_message(self, *words): pass
socketserver.ThreadingTCPServer.request_queue_size = 4096
with socketserver.ThreadingTCPServer(("0.0.0.0", 80), Hello) as server:
    print("ready", flush=True)
    server.serve_forever()
"""
TRANSCRIPT = """
curl -s http://10.0.0.2/
curl -s http://10.0.0.2
curl -s 10.0.0.2:80/hello
curl -sS http://10.0.0.2:81/
curl -s http://10.0.0.2:81/
curl -sSv http://10.0.0.2:81/
curl -sSv http://10.0.0.2:89/
curl -sSv http://10.99.0.2:81/
curl -sSv --connect-timeout 1 http://10.0.0.2:88/
curl -sSv -m 1 http://10.0.0.2:88/
curl -sSv http://10.0.0.77/
curl -s -o /dev/null -w '%{http_code} %{remote_ip} %{local_ip} %{size_download} %{num_connects}' http://10.0.0.2/
curl -s -w "%{exitcode} %{errormsg} %{nope} %{response_code}%%" http://10.0.0.2:81
curl -s http://10.0.0.2/ http://10.0.0.2:81/
curl
curl --frob
curl -m x http://10.0.0.2/
curl -m
curl ""
curl http://
curl -sS foo://10.0.0.2/
curl http://10.0.0.2:99999/
wget -qO- http://10.0.0.2/
wget -O- http://10.0.0.2:81/
wget -q -O - http://10.0.0.2:81
wget -O- http://10.99.0.2:81/
wget --spider http://10.0.0.2/
wget -q --spider http://10.0.0.2/
wget -T 1 -t 1 -O- http://10.0.0.2:88/
timeout 1 curl -s http://10.0.0.2:88/
timeout 5 curl -s http://10.0.0.2/
ip netns exec x ss -ltn
ip netns exec x ss -lntu
ip netns exec x ss -ltnp
ip netns exec x ss -lt
ss -ltn
arp -n 10.0.0.2
"""


@pytest.mark.root
def test_a_vxlan_device_has_a_socket_of_the_kernels_own(pair6: Any) -> None:
    pair6.check("""
        ip link set lo up
        ip link add vx type vxlan id 1 dstport 8472 local 127.0.0.1
        ss -lun
        ip link set vx up
        ip link add vy type vxlan id 2 dstport 8472
        ip link set vy up
        ip link add vz type vxlan id 3 dstport 4789 local ::1
        ip link set vz up
        ss -lunp
        ss -lntu
        ip netns add x
        ip link set vx netns x
        ip link set vy down
        ss -lun
        ip netns exec x ip link set vx up
        ss -lun
        ip netns exec x ss -lun
    """)


def test_a_wireguard_device_has_one_for_each_family() -> None:
    ours = Ours(ipv6=True)
    for line in ("ip link add wg0 type wireguard", "wg set wg0 listen-port 51820", "ip link set wg0 up"):
        assert ours.run(line).exit_code == 0
    rows = [line.split()[3] for line in ours.run("ss -lun").stdout.splitlines()[1:]]
    assert rows == ["0.0.0.0:51820", "[::]:51820"]


@pytest.fixture
def served(pair: Any) -> Iterator[Any]:
    """Both machines with a cable to a web server in the namespace x."""
    pair.check(WIRE)
    inside = ["nsenter", "-t", str(pair.real.process.pid), "-m", "-n", "-u", "ip", "netns", "exec", "x"]
    server = subprocess.Popen([*inside, "python3", "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    row = Socket("tcp", "0.0.0.0", 80, "python3", "default/web", "web")
    pair.ours.world.apply(Put(("node:node-1/x", "socket", ("tcp", "0.0.0.0", 80)), row))
    try:
        yield pair
    finally:
        server.kill()
        server.wait()


def seen(said: Any) -> Any:
    """Without what depends on the real machine: times, process numbers, the server's own headers."""
    text = (said.stdout, said.stderr)
    for pattern, instead in (
        (r"after \d+ m", "after N m"),
        (r"--\d.*?--", "--WHEN--"),
        (r"pid=\d+", "pid=N"),
    ):
        text = tuple(re.sub(pattern, instead, part) for part in text)  # type: ignore[assignment]
    return (*text, said.exit_code)


def test_clients_say_what_they_say_over_a_real_cable(served: Any) -> None:
    for line in filter(None, TRANSCRIPT.splitlines()):
        assert (line, seen(served.ours.run(line))) == (line, seen(served.real.run(line)))


def test_the_milliseconds_are_those_of_the_retries(served: Any) -> None:
    for line in ("curl -sS -m 1 http://10.0.0.2:88/", "curl -sS http://10.0.0.77/"):
        real, ours = (int(re.findall(r"(\d+) m", m.run(line).stderr)[0]) for m in (served.real, served.ours))
        assert abs(real - ours) < 200


LISTEN = """
import socket as s, sys, time
held = []
for family, kind, address, port, only in (
    (s.AF_INET, 1, "0.0.0.0", 80, None), (s.AF_INET, 1, "127.0.0.1", 6443, None), (s.AF_INET6, 1, "::", 8080, 0),
    (s.AF_INET6, 1, "::", 81, 1), (s.AF_INET6, 1, "::1", 443, 1), (s.AF_INET, 2, "0.0.0.0", 53, None),
    (s.AF_INET6, 2, "::", 54, 0), (s.AF_INET6, 2, "::1", 55, 1),
):
    one = s.socket(family, kind)
    held.append(one)
    if only is not None:
        one.setsockopt(s.IPPROTO_IPV6, s.IPV6_V6ONLY, only)
    one.bind((address, port))
    if kind == 1:
        one.listen(4096)
print("ready", flush=True)
time.sleep(600)
"""
OPTIONS = "-ltn -ltnH -lun -ltun -4ltn -6ltn -6lun -tan -uan -lt -lSn -tn"
LISTENING = (
    *(("tcp", "0.0.0.0", 80, False), ("tcp", "127.0.0.1", 6443, False), ("tcp", "::", 8080, False)),
    *(("tcp", "::", 81, True), ("tcp", "::1", 443, True), ("udp", "0.0.0.0", 53, False)),
    *(("udp", "::", 54, False), ("udp", "::1", 55, True)),
)


def test_listeners_of_both_families_are_listed_as_ss_lists_them() -> None:
    """The kernel's order is its hash's: lines are compared as a set, the header's place apart."""
    ours = Rows(ipv6=True)
    for proto, address, port, only in LISTENING:
        row = Socket(proto, address, port, "python3", "r", v6only=only)
        ours.world.apply(Put((MACHINE, "socket", (proto, address, port)), row))
    with boxes("b") as there:
        there.script("b: ip link set lo up")
        command = ["ip", "netns", "exec", there.real["b"], "python3", "-c", LISTEN]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            for options in OPTIONS.split():
                said, want = ours.run(f"ss {options}").stdout, there.run("b", f"ss {options}").stdout
                assert (options, sorted(said.splitlines())) == (options, sorted(want.splitlines()))
        finally:
            server.kill()
            server.wait()
