"""Our plugins against the real ones, live: odd and random configurations, the same calls, the same things left behind.

An odd configuration must give the same code and the same sentence. A random case is a row of calls with random
configurations on one machine; afterwards both machines have the same links, addresses, routes and files.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from . import odd
from .live import agree, call
from .odd import BASE, LOCAL, ON_ETH0

pytestmark = pytest.mark.root


@pytest.mark.parametrize("plugin", ["host-local", "static", "loopback", "tuning"])
def test_an_odd_configuration_gives_the_reference_plugins_own_code_and_sentence(plugin: str) -> None:
    agree(list(getattr(odd, plugin.replace("-", "_"))()), ("pod1",), every=False)


class Cases:
    """Random calls of the plugins that give addresses or adjust a link."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)

    def steps(self) -> list[dict[str, Any]]:
        kinds = (self.leases, self.leases, self.static, self.tuning, self.loopback)
        return list(self.draw.choice(kinds)())

    def leases(self) -> Any:
        """Two networks, three containers, asking and leaving in any order."""
        configs = [{**BASE, "name": f"net{at}", "cniVersion": self.version(), "ipam": self.ipam(at)} for at in (0, 1)]
        for _ in range(self.draw.randint(6, 14)):
            command = self.draw.choice(("ADD", "ADD", "ADD", "DEL", "CHECK"))
            args = self.draw.choice(("", "", "", f"IP=10.{self.draw.randint(1, 2)}.0.{self.draw.randint(1, 9)}"))
            container, ifname = self.draw.choice(("a", "b", "c")), self.draw.choice(("eth0", "eth0", "eth1"))
            env = {"CNI_ARGS": args, "CNI_CONTAINERID": container, "CNI_IFNAME": ifname}
            yield call("host-local", command, self.draw.choice(configs), **env)

    def version(self) -> str:
        return self.draw.choice(("0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.0.0"))

    def ipam(self, number: int) -> dict[str, Any]:
        sets = [[self.range(f"10.{number + 1}.0.")]]
        if self.draw.random() < 0.3:
            sets[0].append({"subnet": f"10.{number + 1}.1.0/30"})
        if self.draw.random() < 0.4:
            sets.append([{"subnet": f"fd0{number}::/{self.draw.choice((64, 125, 126, 120))}"}])
        routes = self.draw.choice(([], [{"dst": "0.0.0.0/0"}], [{"dst": "10.0.0.0/8", "gw": "10.1.0.9"}]))
        return {**LOCAL, "ranges": sets, "routes": routes}

    def range(self, start: str) -> dict[str, Any]:
        bits = self.draw.choice((24, 28, 29, 29, 30))
        found = {"subnet": f"{start}0/{bits}"}
        last = 2 ** (32 - bits) - 2
        for field, chance in (("rangeStart", 0.3), ("rangeEnd", 0.3), ("gateway", 0.3)):
            if self.draw.random() < chance:
                found[field] = f"{start}{self.draw.randint(1, last + 1)}"
        return found

    def static(self) -> Any:
        """Addresses of both families, with routes and DNS, through ``args`` or a capability."""
        for _ in range(4):
            addresses = [{"address": self.cidr(), **self.draw.choice(({}, {"gateway": "10.1.0.1"}))} for _ in range(2)]
            ipam = {"type": "static", "addresses": addresses[: self.draw.randint(0, 2)]}
            ipam |= self.draw.choice(({}, {"routes": [{"dst": self.cidr()}]}, {"dns": {"nameservers": ["10.1.0.9"]}}))
            asked = {"ips": [self.cidr()]}
            more = self.draw.choice(({}, {}, {"args": {"cni": asked}}, {"runtimeConfig": asked}))
            args = self.draw.choice(("", "", f"IP={self.cidr()}", f"IP={self.cidr()};GATEWAY=10.1.0.1"))
            yield call("static", "ADD", {**BASE, "cniVersion": self.version(), "ipam": ipam, **more}, CNI_ARGS=args)

    def cidr(self) -> str:
        digit = self.draw.randint(1, 9)
        return self.draw.choice((f"10.1.0.{digit}/24", f"10.{digit}.0.7/16", f"fd0{digit}::5/64"))

    def tuning(self) -> Any:
        """A link is tuned, looked at, perhaps changed by somebody, and given back."""
        for words in ("add eth0 type veth peer name up0", "set eth0 up", "set up0 up"):
            yield {"run_in": "pod1", "argv": ["ip", "link", *words.split()]}
        for number in range(self.draw.randint(1, 3)):
            conf = {**BASE, "dataDir": "$TMP/ipam/t", "prevResult": ON_ETH0, **self.wishes()}
            yield call("tuning", "ADD", conf)
            yield call("tuning", "CHECK", conf)
            if self.draw.random() < 0.4:
                words = self.draw.choice((f"mtu 13{number}0", "promisc on", "address 02:00:00:00:07:07", "down"))
                yield {"run_in": "pod1", "argv": ["ip", "link", "set", "eth0", *words.split()]}
                yield from [] if "allmulti" in conf else [call("tuning", "CHECK", conf)]
            yield call("tuning", "DEL", conf)

    def wishes(self) -> dict[str, Any]:
        settings = {f"net.ipv4.conf.eth0.{self.draw.choice(('rp_filter', 'proxy_arp', 'arp_ignore'))}": "1"}
        mac = f"02:00:00:00:00:{self.draw.randint(16, 99)}"
        all_ = {"mtu": self.draw.randint(1280, 1500), "mac": mac, "promisc": True, "allmulti": True, "sysctl": settings}
        return {name: value for name, value in all_.items() if self.draw.random() < 0.5}

    def loopback(self) -> Any:
        """``lo`` goes up and down, with the result of somebody before it or none."""
        for _ in range(4):
            previous = self.draw.choice(
                ({}, {"prevResult": {"cniVersion": "1.0.0", "ips": [{"address": self.cidr()}]}})
            )
            pod = self.draw.choice(("pod1", "pod2"))
            yield call("loopback", self.draw.choice(("ADD", "ADD", "DEL", "CHECK")), {**BASE, **previous}, pod)


@pytest.mark.parametrize("seed", range(10))
def test_random_calls_leave_what_the_reference_plugins_leave(seed: int) -> None:
    agree(Cases(seed).steps(), every=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 120))
def test_more_random_calls_leave_what_the_reference_plugins_leave(seed: int) -> None:
    agree(Cases(seed).steps(), every=False)
