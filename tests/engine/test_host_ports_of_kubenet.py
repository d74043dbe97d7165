"""Host ports where no plugin makes them: the kubelet's own chains, under kubenet (1.23)."""

from __future__ import annotations

import base64
import hashlib

from k8slearn import Cluster

from .given import events, pod

NAT = "iptables-save -t nat"


def ported(name: str, port: str, node: str = "node-1") -> str:
    wanted = f"image: nginx, ports: [{{containerPort: 80, {port}}}]"
    return pod(name, node).replace("image: nginx", wanted)


def test_a_port_of_the_node_leads_to_the_pod_by_the_kubelets_own_chains() -> None:
    web = Cluster(nodes=2, network="kubenet")
    web.apply(ported("web", "hostPort: 8080"))
    node = web.node("node-1")
    box, ip = node.run("crictl pods -q").stdout.strip(), web.get("pods", "web")["status"]["podIP"]
    digest = hashlib.sha256(f"{box}8080TCP".encode()).digest()
    chain = f"KUBE-HP-{base64.b32encode(digest).decode()[:16]}"
    said = '-m comment --comment "web_default hostport 8080"'
    lines = node.run(NAT).stdout.splitlines()
    wanted = [
        f"-A KUBE-HOSTPORTS -p tcp {said} -m tcp --dport 8080 -j {chain}",
        f"-A {chain} -s {ip}/32 {said} -j KUBE-MARK-MASQ",
        f"-A {chain} -p tcp {said} -m tcp -j DNAT --to-destination {ip}:80",
        '-A PREROUTING -m comment --comment "kube hostport portals" -m addrtype --dst-type LOCAL -j KUBE-HOSTPORTS',
        '-A POSTROUTING -s 127.0.0.0/8 -o cbr0 -m comment --comment "SNAT for localhost access to hostports" '
        "-j MASQUERADE",
    ]
    assert [line for line in wanted if line not in lines] == []
    jumps = [line for line in lines if line.startswith("-A PREROUTING")]
    assert "KUBE-SERVICES" in jumps[0]
    assert "KUBE-HOSTPORTS" in jumps[-1], "kube-proxy is asked first"
    for source in ("outside", "node:node-2", "node:node-1"):
        answer = web.trace(source, "node:node-1", 8080)
        assert (answer.outcome, answer.answered_by) == ("connected", "default/web")
    assert all("kubelet" in line for line in node.run("ss -ltnp").stdout.splitlines() if ":8080" in line)


def test_a_pod_reaches_itself_by_the_nodes_port_where_its_veth_is_in_hairpin_mode() -> None:
    """On a promiscuous bridge a newer kernel drops the packet (measured on 6.18: facts, section 4)."""
    web = Cluster(nodes=1, network="kubenet")
    web.apply(ported("web", "hostPort: 8080"))
    assert web.trace("default/web", "node:node-1", 8080).outcome == "timeout"
    node = web.node("node-1")
    node.run("tee /etc/default/kubelet", stdin='KUBELET_EXTRA_ARGS="--hairpin-mode=hairpin-veth"\n')
    node.run("systemctl restart kubelet")
    web.delete("pod", "web")
    web.apply(ported("web", "hostPort: 8080"))
    assert web.trace("default/web", "node:node-1", 8080).answered_by == "default/web"


def test_the_chains_go_with_their_pod_and_the_shared_one_stays() -> None:
    web = Cluster(nodes=2, network="kubenet")
    web.apply(ported("web", "hostPort: 8080"))
    web.apply(ported("dns", "hostPort: 53, protocol: UDP"))
    web.delete("pod", "web")
    rules = web.node("node-1").run(NAT).stdout
    assert (rules.count("\n:KUBE-HP-"), ":KUBE-HOSTPORTS" in rules) == (1, True)
    assert web.trace("outside", "node:node-1", 8080).outcome == "refused"
    web.delete("pod", "dns")
    assert "KUBE-HP-" not in web.node("node-1").run(NAT).stdout
    assert ":53 " not in web.node("node-1").run("ss -lun").stdout
    assert web.node("node-1").run("ls /var/lib/dockershim/sandbox").exit_code != 0


def test_a_port_on_which_the_node_listens_cannot_be_a_pods() -> None:
    web = Cluster(nodes=2, network="kubenet")
    web.apply(ported("web", "hostPort: 22"))
    (said,) = events(web, "FailedCreatePodSandBox")
    assert said.endswith(
        'networkPlugin kubenet failed to set up pod "web_default" network: '
        "cannot open hostport 22 for pod web_default: listen tcp4 :22: bind: address already in use"
    )
    assert "KUBE-HP-" not in web.node("node-1").run(NAT).stdout


def test_a_pod_that_is_forced_away_leaves_no_chain() -> None:
    web = Cluster(nodes=2, network="kubenet")
    web.apply(ported("web", "hostPort: 8080"))
    web.kubectl("delete pod web --force --grace-period=0")
    assert "KUBE-HP-" not in web.node("node-1").run(NAT).stdout
