"""A capture on the underlay of a VXLAN: the real tools decode the inner conversation out of the outer packets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from k8slearn.journal import Put
from k8slearn.linux import socket
from k8slearn.linux.rows import Socket
from k8slearn.shell import tcpdump

from .conftest import MACHINE, Ours

OVERLAY = Path(__file__).with_name("vxlan.txt").read_text()
"""Two boxes with a VXLAN over their cable, as flannel types it."""


@pytest.fixture
def capture(ours: Ours) -> tcpdump.Capture:
    for line in filter(None, OVERLAY.splitlines()):
        said = ours.run(line)
        assert (line, said.stderr, said.exit_code) == (line, "", 0)
    row = Socket("tcp", "0.0.0.0", 80, "nginx", "web", "web")
    ours.world.apply(Put((f"{MACHINE}/b", "socket", ("tcp", "0.0.0.0", 80)), row))
    assert ours.run("ip netns exec a curl -s http://10.244.1.0/").stdout == "Hello from web!"
    frames = ours.world.get(socket.CAPTURED)
    return tcpdump.of(frames, f"{MACHINE}/a", ours.world.get((f"{MACHINE}/a", "link", "wa")))


def test_the_inner_conversation_is_told_inside_the_outer_packets(capture: tcpdump.Capture) -> None:
    text = "\n".join(tcpdump.lines(capture, frozenset("t")))
    assert "IP 192.168.64.11." in text
    assert "> 192.168.64.12.8472: OTV, flags [I] (0x08), overlay 0, instance 1\nIP 10.244.0.0." in text
    assert "> 10.244.1.0.80: Flags [S]" in text


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
def test_the_real_tcpdump_reads_them_as_we_print_them(capture: tcpdump.Capture, tmp_path: Path) -> None:
    file = tmp_path / "vxlan.pcap"
    file.write_bytes(capture.pcap())
    said = subprocess.run(["tcpdump", "-nr", str(file)], capture_output=True, text=True, check=True, env={"TZ": "UTC"})
    assert "".join(f"{line}\n" for line in tcpdump.lines(capture)) == said.stdout


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_decodes_them_without_anything_malformed(capture: tcpdump.Capture, tmp_path: Path) -> None:
    file = tmp_path / "vxlan.pcap"
    file.write_bytes(capture.pcap())
    command = ["tshark", "-r", str(file), "-d", "udp.port==8472,vxlan"]
    wrong = subprocess.run([*command, "-Y", "_ws.malformed"], capture_output=True, text=True, check=True)
    assert wrong.stdout == ""
    inner = [*command, "-Y", "vxlan.vni==1 && tcp", "-T", "fields", "-e", "ip.dst"]
    said = subprocess.run(inner, capture_output=True, text=True, check=True).stdout
    assert "192.168.64.12,10.244.1.0" in said
    assert "192.168.64.11,10.244.0.0" in said
