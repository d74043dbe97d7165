"""A command line becomes a program that runs somewhere, or a sentence that says why not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.journal import Put
from k8slearn.linux.rows import Netns

NETNS = "node:node-1/cni-1"


@pytest.fixture
def wired(ours: Any) -> Any:
    """A node with a cable into a pod's namespace, and a file on the node and one in the pod."""
    for line in (
        *("ip link set lo up", "ip netns add cni-1", "ip link add veth1 type veth peer name eth0 netns cni-1"),
        *("ip addr add 10.244.1.1/24 dev veth1", "ip link set veth1 up", "ip -n cni-1 link set lo up"),
        *("ip -n cni-1 addr add 10.244.1.2/24 dev eth0", "ip -n cni-1 link set eth0 up"),
    ):
        assert ours.run(line) == ("", "", 0)
    ours.world.apply(Put(("node:node-1", "file", "/etc/cni/net.d/10-bridge.conflist"), '{"name": "net"}\n'))
    ours.world.apply(Put((NETNS, "file", "/etc/resolv.conf"), "nameserver 10.96.0.10\n"))
    ours.world.apply(Put((NETNS, "file", "/etc/hosts"), "10.244.1.2\tweb\n10.244.1.1 gateway.local gateway\n"))
    return ours


def test_a_quoted_operator_is_a_word(ours: Any) -> None:
    assert ours.run("echo 'a | b' \"c > d\" e\\;f").stdout == "a | b c > d e;f\n"
    assert "Unterminated quoted string" in ours.run("echo 'a").stderr


def test_an_unknown_command_is_not_found(ours: Any) -> None:
    assert ours.run("foo --bar") == ("", "sh: 1: foo: not found\n", 127)
    assert ours.run("/opt/cni/bin/nope").exit_code == 127
    assert ours.run("") == ("", "", 0)


def test_a_program_is_found_by_its_path_too(ours: Any) -> None:
    assert ours.run("/usr/sbin/ip -br link") == ours.run("ip -br link")
    assert ours.run("/bin/true").exit_code == 0


def test_programs_start_programs(wired: Any) -> None:
    want = wired.run("hostname -I", scope=NETNS)
    assert want.stdout == "10.244.1.2 \n"
    for line in (
        *("ip netns exec cni-1 hostname -I", "nsenter --net=/var/run/netns/cni-1 hostname -I"),
        *("sh -c 'ip netns exec cni-1 hostname -I'", "timeout 5 ip netns exec cni-1 hostname -I"),
        *("env A=b ip netns exec cni-1 hostname -I", "A=b ip netns exec cni-1 hostname -I"),
    ):
        assert wired.run(line) == want
    assert wired.run("A=b env").stdout == "A=b\n"


def test_entering_a_namespace_changes_the_network_and_not_the_files(wired: Any) -> None:
    path = "/etc/cni/net.d/10-bridge.conflist"
    assert wired.run(f"ip netns exec cni-1 cat {path}").stdout == '{"name": "net"}\n'
    assert wired.run("ls /etc/cni/net.d").stdout == "10-bridge.conflist\n"
    assert wired.run("ls /var/run/netns").stdout == "cni-1\n"
    assert wired.run(f"cat {path}", scope=NETNS) == ("", f"cat: {path}: No such file or directory\n", 1)
    assert wired.run("cat /etc/resolv.conf", scope=NETNS).stdout == "nameserver 10.96.0.10\n"
    assert wired.run("cat /etc/resolv.conf").exit_code == 1


def test_a_node_s_own_tools_are_not_in_a_container(wired: Any) -> None:
    for name in ("kubectl", "crictl", "journalctl", "/opt/cni/bin/bridge"):
        assert wired.run(name, scope=NETNS) == ("", f"sh: 1: {name}: not found\n", 127)
    assert wired.run("ip netns", scope=NETNS).stdout == ""


def test_a_container_sees_its_far_end_by_number_and_the_node_by_name(wired: Any) -> None:
    assert "link-netns cni-1" in wired.run("ip link show veth1").stdout
    assert "link-netnsid 0" in wired.run("ip link show eth0", scope=NETNS).stdout


def test_a_name_is_looked_up_in_the_container_s_hosts_file(wired: Any) -> None:
    assert "10.244.1.1" in wired.run("ping -c 1 gateway", scope=NETNS).stdout
    assert wired.run("ping -c 1 gateway").stderr == "ping: gateway: Temporary failure in name resolution\n"
    assert wired.run("curl -sS http://api:80", scope=NETNS).stderr == "curl: (6) Could not resolve host: api\n"
    assert wired.run("wget -qO- http://api:80", scope=NETNS).stderr == "wget: bad address 'api'\n"


def test_a_plugin_in_opt_cni_bin_is_a_program(wired: Any) -> None:
    env = {"CNI_COMMAND": "VERSION"}
    said = wired.run("/opt/cni/bin/host-local", '{"cniVersion": "1.0.0"}', env=env)
    assert said.exit_code == 0
    assert '"supportedVersions"' in said.stdout


def test_a_plugin_that_was_deleted_is_gone_and_pods_wait_for_it() -> None:
    cluster = Cluster(nodes=1)
    node = cluster.node("node-1")
    assert node.run("rm /opt/cni/bin/bridge").exit_code == 0
    assert "bridge" not in node.run("ls /opt/cni/bin").stdout.split()
    assert node.run("rm /opt/cni/bin/bridge").stderr.endswith("No such file or directory\n")
    assert node.run("/opt/cni/bin/bridge").exit_code == 127
    cluster.kubectl("run late --image=nginx")
    said = cluster.kubectl("get events --field-selector reason=FailedCreatePodSandBox")
    assert 'failed to find plugin "bridge" in path [/opt/cni/bin]' in said
    assert Cluster(nodes=1).node("node-1").run("ls /opt/cni/bin/bridge").exit_code == 0


def test_what_is_left_out_is_said(ours: Any) -> None:
    for line in (
        *("tracepath 10.0.0.1", "ip tunnel add x mode gre", "ip -s -s link", "ip route add 10.0.0.0/8 dev lo table 7"),
        *("ip addr add fd00::1/64 dev lo", "ip link add v type vlan gvrp on", "ss -m", "conntrack -E", "wget -r a"),
        *("bridge mdb", "nc -l 80", "wget https://a/", "nsenter --mount=/x ls", "sh script.sh"),
    ):
        said = ours.run(line)
        assert said.exit_code != 0, line
        assert said.stderr.strip(), line


def test_the_shell_never_writes_when_it_refuses(wired: Any) -> None:
    before = {key: dict(rows) for key, rows in wired.world.tables().items()}
    for line in (
        "ip link set veth1 mtu 10",
        "ip addr add 10.244.1.1/24 dev veth1",
        "iptables -A NOPE -j ACCEPT",
        "sysctl -w a=1",
    ):
        assert wired.run(line).exit_code != 0
    assert {key: dict(rows) for key, rows in wired.world.tables().items()} == before


WORDS = {
    "ip": (
        "-4 -j -d -n x -br link addr route neigh netns add del set show get replace flush dev lo v1 v2 up "
        "down master br0 type veth bridge peer name 10.0.0.1/24 10.0.0.1 default via src metric 5 table main "
        "local proto kernel scope link to lladdr 02:00:00:00:00:01 nud stale all mtu 1500 address netns "
        "nomaster hairpin on from iif onlink brd + exec exact "
    ),
    "bridge": (
        "-j -d link fdb show set add del replace get dev v1 br0 br master self static 02:00:00:00:00:01 hairpin on "
    ),
    "brctl": "show addbr delbr addif delif showmacs br0 v1 v2",
    "iptables": (
        "-t nat -A -I -D -C -P -F -N -X -L -S -n -v INPUT FORWARD POSTROUTING FOO 1 2 -s 10.0.0.0/8 ! -d -p "
        "tcp udp --dport 80 -j ACCEPT DROP DNAT --to-destination 10.0.0.1:80 MASQUERADE -m comment --comment "
        "conntrack --ctstate NEW mark --mark 0x1 statistic --mode random --probability 0.5 -i lo -o "
        "--line-numbers -g -E -R -Z MARK --set-mark "
    ),
    "iptables-save": "-t nat filter -c",
    "conntrack": "-L -D -F -C -p tcp udp -s -d 10.0.0.1 --dport 80 --state NEW -n -g -j -u ASSURED -o extended -m 1 x",
    "sysctl": "-w -n -a -q -e -N -r net.ipv4.ip_forward net.ipv4.ip_forward=1 net.ipv4.conf.lo.rp_filter=2 = net [",
    "ss": "-l -t -n -p -u -a -H -x --tcp",
    "ping": "-c 1 2 -W -t 3 -I lo v1 -q 10.0.0.1 127.0.0.1 10.0.0.2 nope -i 0",
    "curl": (
        "-s -S -v -m 1 2 -o -w %{http_code} http://10.0.0.1 127.0.0.1:80 http://x:y / -I -i --connect-timeout -H "
    ),
    "wget": "-q -O - -qO- http://10.0.0.1 127.0.0.1 -T 1 --spider -t --timeout=1 --tries",
    "nc": "-z -v -u -w 1 10.0.0.1 127.0.0.1 80 79-81 -n",
    "crictl": "pods ps inspect inspectp stop stopp rm rmp images logs exec -a -q -o json --name x --tail 1 abc -f",
    "arp": "-n -i v1 10.0.0.1 lo",
    "cat": "/etc/hosts /proc/sys/net/ipv4/ip_forward / . .. - -n /proc/sys",
    "ls": "/etc / -l /var/run/netns /proc/sys/net ..",
    "timeout": "1 2s x ip link curl 10.0.0.1 -k",
    "nsenter": "--net=/var/run/netns/x -n --net=x ip link",
    "kill": "-9 1 2 x -KILL -s HUP",
    "ps": "-e -ef ax aux -x",
    "hostname": "-I -i x",
    "env": "-i A=b ip link C=",
}


@given(st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_command_line_is_a_traceback(ours: Any, data: st.DataObject) -> None:
    for line in (
        "ip link add v1 type veth peer name v2",
        "ip link add br0 type bridge",
        "ip netns add x",
        "ip link set lo up",
    ):
        ours.run(line)
    name = data.draw(st.sampled_from(sorted(WORDS)))
    words = data.draw(st.lists(st.sampled_from(WORDS[name].split()) | st.text(max_size=5), max_size=9))
    said = ours.run([name, *words])
    assert isinstance(said.stdout, str)
    assert isinstance(said.stderr, str)
    assert 0 <= said.exit_code < 256
    assert isinstance(ours.world.get(("node:node-1", "netns", "")), Netns)
