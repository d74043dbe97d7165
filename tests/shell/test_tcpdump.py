"""Captures: our tcpdump prints what the real one reads in our files, and Wireshark finds nothing malformed in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused
from k8slearn.linux import socket
from k8slearn.linux.wire import ETHERNET
from k8slearn.shell import tcpdump

PODS = [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {
            "nodeName": node,
            "containers": [
                {
                    "name": "main",
                    "image": "nginx",
                    "ports": [{"containerPort": 80}, {"containerPort": 9, "protocol": "UDP"}],
                }
            ],
        },
    }
    for name, node in (("a", "node-1"), ("b", "node-1"), ("c", "node-2"))
]
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "s"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
QUESTIONS: list[dict[str, Any]] = [
    {"destination": "svc:default/s"},
    {"destination": "default/c"},
    {"destination": "default/c", "port": 81},
    {"destination": "default/c", "port": 9, "protocol": "UDP"},
    {"destination": "default/c", "port": 10, "protocol": "UDP"},
    {"destination": "10.244.7.7"},
    {"destination": "10.244.1.99", "port": 1000, "protocol": "UDP"},
    {"destination": "outside"},
    {"destination": "203.0.113.99"},
]


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    found = Cluster(nodes=2)
    found.apply([*PODS, SERVICE])
    return found


def captures(cluster: Cluster) -> list[tcpdump.Capture]:
    """What every device of every machine has seen of the last conversation."""
    world = cluster.engine.world
    frames = world.get(socket.CAPTURED)
    places = dict.fromkeys((frame.netns, dev) for frame in frames for dev in (frame.dev, ""))
    return [tcpdump.of(frames, netns, world.get((netns, "link", dev)) if dev else None) for netns, dev in places]


def real(capture: tcpdump.Capture, folder: Path, flags: str) -> str:
    """The real tcpdump's reading of our file (which knows devices by number: this machine's own)."""
    file = folder / "capture.pcap"
    file.write_bytes(capture.pcap())
    command = ["tcpdump", "-n", *([f"-{flags}"] if flags else []), "-r", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"})
    return done.stdout


def without_devices(text: str) -> str:
    return re.sub(r"^(\S+ )?\S+ +(In|Out|B|M) +", r"\1\2 ", text, flags=re.MULTILINE)


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
@pytest.mark.parametrize("flags", ["", "e", "t"])
@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_the_real_tcpdump_reads_our_file_as_we_print_it(
    cluster: Cluster, question: dict[str, Any], flags: str, tmp_path: Path
) -> None:
    cluster.send("default/a", **question)
    for capture in captures(cluster):
        ours = "".join(f"{line}\n" for line in tcpdump.lines(capture, frozenset(flags)))
        theirs = real(capture, tmp_path, flags)
        if capture.device == "any":
            ours, theirs = without_devices(ours), without_devices(theirs)
        assert ours == theirs


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_wireshark_finds_nothing_malformed(cluster: Cluster, question: dict[str, Any], tmp_path: Path) -> None:
    cluster.send("default/a", **question)
    every = tcpdump.Capture(cluster.engine.world.get(socket.CAPTURED), ETHERNET, "every device")
    file = tmp_path / "every.pcap"
    file.write_bytes(every.pcap())
    checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    wrong = "_ws.malformed or ip.checksum.status==0 or tcp.checksum.status==0 or udp.checksum.status==0"
    done = subprocess.run(["tshark", "-r", str(file), *checks, "-Y", wrong], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_tcpdump_shows_the_last_conversation_wherever_one_looks(cluster: Cluster) -> None:
    cluster.pod("a").run("curl -s http://10.244.1.2/")
    seen = cluster.node("node-2").run("tcpdump -ni eth0 -c 1 tcp")
    assert re.search(
        r"^\d\d:\d\d:\d\d\.\d{6} IP 10\.244\.0\.\d\.\d+ > 10\.244\.1\.2\.80: Flags \[S\], seq ", seen.stdout
    )
    assert "1 packet captured" in seen.stderr
    assert "listening on eth0, link-type EN10MB (Ethernet)" in seen.stderr


def test_a_capture_can_be_kept_and_read_back(cluster: Cluster) -> None:
    cluster.pod("a").run("ping -c 1 10.244.1.2")
    node = cluster.node("node-1")
    assert node.run("tcpdump -i eth0 -w /tmp/x.pcap icmp").stdout == ""
    cluster.pod("a").run("curl -s http://10.244.1.2/")
    assert "ICMP echo request" in node.run("tcpdump -nr /tmp/x.pcap").stdout


def test_a_trace_is_captured_without_being_sent(cluster: Cluster, tmp_path: Path) -> None:
    before = cluster.journal.revision
    trace = cluster.trace("default/a", "default/c")
    seen = trace.capture("node:node-2", "eth0")
    assert "Flags [S.]" in str(seen)
    assert seen.save(tmp_path / "x.pcap").read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"
    assert cluster.journal.revision == before
    with pytest.raises(Refused, match="there is no link 'eth7' in node:node-2"):
        trace.capture("node:node-2", "eth7")


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("", 8),
        ("tcp", 8),
        ("udp or arp", 0),
        ("port 80", 8),
        ("not port 80", 0),
        ("src host 10.244.1.2", 3),
        ("dst net 10.244.1.0/24 and tcp dst port 80", 5),
        ("host 10.244.1.2 and (port 81 or 80)", 8),
        ("portrange 79-81 and ! icmp", 8),
        ("vlan", 0),
        ("greater 2000", 0),
    ],
)
def test_filters_choose(cluster: Cluster, expression: str, found: int) -> None:
    cluster.send("default/a", "default/c")
    cluster.send("default/a", "default/c")
    said = cluster.node("node-2").run(f"tcpdump -nti eth0 '{expression}'")
    assert len(said.stdout.splitlines()) == found


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-i eth9", "tcpdump: eth9: No such device exists"),
        ("-i eth0 port", "tcpdump: can't parse filter expression: syntax error"),
        ("-i eth0 port http2x", "tcpdump: unknown port 'http2x'"),
        ("-i eth0 '(tcp'", "tcpdump: can't parse filter expression: syntax error"),
        ("-c x", "tcpdump: invalid packet count x"),
        ("-r /tmp/none", "tcpdump: /tmp/none: No such file or directory"),
        ("-X", "tcpdump: -X is not modelled here"),
        ("-Z", "tcpdump: invalid option -- 'Z'"),
    ],
)
def test_bad_words_get_one_sentence(cluster: Cluster, words: str, sentence: str) -> None:
    said = cluster.node("node-1").run(f"tcpdump {words}")
    assert said.exit_code == 1
    assert said.stderr.startswith(sentence)


def test_a_bridge_that_is_listened_on_takes_up_what_it_only_passes_on(cluster: Cluster) -> None:
    """br_input.c: a promiscuous bridge; tcpdump makes it one, unless it is told -p. Seen so on a real kernel."""
    node = cluster.node("node-1")
    cluster.send("default/a", "default/b")
    ports = node.run("tcpdump -ni any port 80").stdout.splitlines()
    came_in = [line for line in ports if re.search(r"veth\S+ +In ", line)]
    seen = node.run("tcpdump -ni cni0 port 80").stdout.splitlines()
    assert len(seen) == len(came_in) > 0
    assert node.run("tcpdump -pni cni0 port 80").stdout == ""
    cluster.send("default/a", "default/c")
    routed = [node.run(f"tcpdump {flags} cni0 port 80").stdout for flags in ("-ni", "-pni")]
    assert routed[0] == routed[1] != ""
