"""``wg`` says what wireguard-tools 1.0 says. This kernel has no WireGuard: the real tool talks to wireguard-go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn.linux.curve25519 import public_key
from tests.shell.conftest import Ours, Real, Said

KEY = "QMyYxy6oACLZHBZdHXJTd9aX35N19Q1v5QAdQji2YWk="
PEER = "uP3uPezFsQy2pY6vfikumDrU6MLHGAllRzWRW8BYIX0="
OTHER = "KrKvOdblpViB4rWZcR7ZS3ZDvOfjbYfyCzjNjGxYx00="
PSK = "fwbGGgbNxK/v8jpenSW/nX3EJleSTjQlf8+3I5ZcWEA="


class Two(NamedTuple):
    """A real tool and ours, told the same lines with the same standard input."""

    real: Real
    ours: Ours

    def check(self, line: str, stdin: str = "", *, first: bool = False, order: bool = True) -> None:
        """Both say the same; `first`: the first line of a complaint is enough; not `order`: in whatever order."""
        want, got = self.real.run(line, stdin), self.ours.run(line, stdin)
        if first:
            want, got = (Said(s.stdout, s.stderr.partition("\n")[0], s.exit_code) for s in (want, got))
        if not order:
            want, got = (Said("".join(sorted(s.stdout.splitlines(True))), s.stderr, s.exit_code) for s in (want, got))
        assert (line, got) == (line, want)


@pytest.fixture
def two() -> Iterator[Two]:
    missing = [tool for tool in ("wg", "wireguard-go", "unshare") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        pytest.skip(f"needs root, /dev/net/tun, wg and wireguard-go; missing: {missing}")
    real, ours = Real(), Ours()
    real.run("mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard")
    pid = real.run("wireguard-go -f wg0 >/dev/null 2>&1 & echo $!").stdout.strip()
    real.run("for i in $(seq 100); do [ -S /run/wireguard/wg0.sock ] && break; sleep 0.05; done")
    assert ours.run("ip link add wg0 type wireguard").exit_code == 0
    try:
        yield Two(real, ours)
    finally:
        real.run(f"kill {pid}")
        real.close()


@pytest.mark.root
def test_what_a_device_is_told_it_shows(two: Two) -> None:
    two.check("wg set wg0 listen-port 51820 private-key /dev/stdin", f"{KEY}\n")
    two.check("wg")
    two.check(f"wg set wg0 peer {PEER} allowed-ips 10.0.0.0/24,10.0.1.5 endpoint 192.168.64.12:51820")
    two.check("wg show wg0")
    two.check(f"wg set wg0 fwmark 0x1000 peer {PEER} persistent-keepalive 25 preshared-key /dev/stdin", PSK)
    for what in ("", "dump", "peers", "allowed-ips", "endpoints", "latest-handshakes", "transfer"):
        two.check(f"wg show wg0 {what}")
        two.check(f"wg show all {what}")
    for what in ("preshared-keys", "public-key", "private-key", "listen-port", "fwmark"):
        two.check(f"wg show wg0 {what}")
    two.check("env WG_HIDE_KEYS=never wg show wg0")
    two.check("wg show interfaces")
    two.check("wg showconf wg0")
    two.check(f"wg set wg0 peer {OTHER} allowed-ips 10.0.0.0/24,fd00::/64 endpoint [fd00::2]:99")
    two.check("wg show wg0 allowed-ips", order=False)
    two.check("wg show wg0 endpoints", order=False)
    two.check(f"wg set wg0 peer {PEER} remove")
    two.check("wg show wg0")
    two.check("wg show wg0 dump")
    two.check(f"wg set wg0 peer {OTHER} allowed-ips '' persistent-keepalive off")
    two.check("wg show wg0")
    two.check("wg set wg0 fwmark off private-key /dev/null")
    two.check("wg show wg0")


FILE = f"""[Interface]
PrivateKey = {KEY}
ListenPort=5
# a note
[Peer]
PublicKey={PEER}
AllowedIPs = 10.0.0.1/24, fd00::1/64

endpoint = 1.2.3.4:5 # another
PersistentKeepalive=off
"""


@pytest.mark.root
def test_a_configuration_file_says_the_same(two: Two) -> None:
    two.check("wg setconf wg0 /dev/stdin", FILE)
    two.check("wg show wg0")
    two.check("wg showconf wg0")
    two.check("wg addconf wg0 /dev/stdin", f"[interface]\nlistenport = 7\n[Peer]\nPublicKey = {OTHER}\n")
    two.check("wg show wg0 dump", order=False)
    two.check("wg syncconf wg0 /dev/stdin", f"[Interface]\nListenPort = 9\n[Peer]\nPublicKey = {OTHER}\n")
    two.check("wg show wg0")
    two.check("wg setconf wg0 /dev/stdin", "[Interface]\nListenPort = 8\n")
    two.check("wg show wg0")


REFUSED = (
    f"set wg0 peer {PEER} allowed-ips 10.0.0.0/99",
    f"set wg0 peer {PEER} allowed-ips foo",
    f"set wg0 peer {PEER} endpoint foo",
    f"set wg0 peer {PEER} endpoint 1.2.3.4",
    f"set wg0 peer {PEER} endpoint 1.2.3.4:",
    f"set wg0 peer {PEER} endpoint [::1",
    f"set wg0 peer {PEER} persistent-keepalive x",
    f"set wg0 peer {PEER} persistent-keepalive 70000",
    *("set wg0 peer x", "set wg0 frob", "set wg0", "set", "set wg0 listen-port x", "set wg0 listen-port"),
    *("set wg0 fwmark x", "set wg0 fwmark 0xfffffffff", "set wg0 private-key /nope", "set wg0 allowed-ips 10.0.0.0/8"),
    *("show wg0 frob", "show all frob", "show wg0 peers more", "showconf", "frob", "setconf wg0", "setconf wg0 /nope"),
    *("pubkey x", "genkey x", "genpsk x", "pubkey"),
)
BAD_FILES = (
    "[Interface]\nAddress = 1.2.3.4/5\n",
    "frob\n",
    f"PrivateKey = {KEY}\n",
    "[Interface]\nPrivateKey = x\n",
    "[Interface]\nListenPort = x\n",
    "[Interface]\nListenPort = \n",
    "[Peer]\nAllowedIPs = 10.0.0.0/8\n",
    f"[Peer]\nPublicKey = {PEER}\nAllowedIPs = x\n",
    f"[Peer]\nPublicKey = {PEER}\nEndpoint = x\n",
)


@pytest.mark.root
def test_what_cannot_be_is_refused_in_the_same_words(two: Two) -> None:
    for words in REFUSED:
        two.check(f"wg {words}", first=True)
    for text in BAD_FILES:
        two.check("wg setconf wg0 /dev/stdin", text)
    two.check("wg set wg0 private-key /dev/stdin", "\n")


@pytest.mark.root
def test_a_public_key_is_what_the_real_tool_makes_of_a_private_one(two: Two) -> None:
    for _ in range(5):
        two.check("wg pubkey", two.ours.run("wg genkey").stdout)
        two.check("wg pubkey", two.real.run("wg genkey").stdout)


def test_two_keys_are_never_the_same_and_the_same_machine_makes_the_same_ones(ours: Any) -> None:
    keys = [ours.run("wg genkey").stdout, ours.run("wg genkey").stdout, ours.run("wg genpsk").stdout]
    assert len(set(keys)) == 3
    assert [Ours().run("wg genkey").stdout] == keys[:1]


def test_a_device_that_is_not_there_is_named_as_the_kernel_does(ours: Any) -> None:
    assert ours.run("wg show nope").stderr == "Unable to access interface: No such device\n"
    assert ours.run("wg set nope listen-port 5").stderr == "Unable to modify interface: No such device\n"
    assert ours.run("wg show lo").stderr == "Unable to access interface: Operation not supported\n"


def test_two_devices_cannot_have_one_port(ours: Any) -> None:
    for name in ("wg0", "wg1"):
        ours.run(f"ip link add {name} type wireguard")
        assert ours.run(f"wg set {name} listen-port 51820").exit_code == 0
    assert ours.run("ip link set wg0 up").exit_code == 0
    assert ours.run("ip link set wg1 up").stderr == "RTNETLINK answers: Address already in use\n"
    ours.run("wg set wg1 listen-port 51821")
    assert ours.run("ip link set wg1 up").exit_code == 0
    assert ours.run("wg set wg1 listen-port 51820").stderr == "Unable to modify interface: Address already in use\n"


WORDS = (
    f"set show wg0 all peer {PEER} allowed-ips 10.0.0.0/8 endpoint 1.2.3.4:5 [::1]:5 remove listen-port 5 fwmark 0x10"
)
WORDS += (
    " private-key /dev/stdin persistent-keepalive off dump setconf showconf addconf syncconf interfaces , é ² [ : 0x"
)
words = st.sampled_from([*WORDS.split(), "", "-1", "10.0.0.0/-1", "/"])


@given(st.lists(words, max_size=8), st.sampled_from(["", KEY, FILE, "[Peer]\n", "²"]))
def test_whatever_wg_is_told_it_answers_in_sentences(line: list[str], stdin: str) -> None:
    ours = Ours()
    ours.run("ip link add wg0 type wireguard")
    said = ours.run(["wg", *line], stdin)
    assert said.exit_code in (0, 1)
    assert bool(said.stderr) >= bool(said.exit_code)
    assert "Traceback" not in said.stderr


@given(st.lists(words, max_size=7))
def test_whatever_ip_link_is_told_about_a_tunnel_it_answers_in_sentences(line: list[str]) -> None:
    ours = Ours()
    for kind in ("vlan", "macvlan", "ipvlan", "ipip", "wireguard"):
        said = ours.run(["ip", "link", "add", "link", "lo", "x", "type", kind, *line])
        assert said.stderr or not said.exit_code
    assert ours.run(["ip", "tunnel", *line]).exit_code in (0, 1, 255)


@given(st.lists(st.sampled_from([KEY, PEER, OTHER, PSK]), unique=True, min_size=1), st.integers(0, 65535))
def test_what_showconf_prints_setconf_reads(keys: list[str], port: int) -> None:
    ours = Ours()
    ours.run("ip link add wg0 type wireguard")
    ours.run(f"wg set wg0 listen-port {port} private-key /dev/stdin", KEY)
    for number, key in enumerate(keys):
        assert (
            ours.run(f"wg set wg0 peer {key} allowed-ips 10.{number}.0.0/16 endpoint 192.0.2.{number}:7").exit_code == 0
        )
    text = ours.run("wg showconf wg0").stdout
    ours.run("ip link add wg1 type wireguard")
    assert ours.run("wg setconf wg1 /dev/stdin", text).exit_code == 0
    assert ours.run("wg showconf wg1").stdout == text
    assert public_key(KEY) == ours.run("wg show wg1 public-key").stdout.strip()
