"""The /etc/resolv.conf of a pod's containers: the kubelet decides by ``dnsPolicy``, the runtime writes it.

::

    ClusterFirst (nobody said otherwise)   the cluster's DNS server, a search list that begins at the pod's namespace,
                                           then the node's own domains, and ndots:5
      with hostNetwork                     what the node has, like Default ...
    ClusterFirstWithHostNet                ... unless this is asked for
    Default                                what the node has ("Default" is not the default)
    None                                   nothing; dnsConfig says all of it

``dnsConfig`` is added to any of them. Three name servers and 32 search domains (2048 characters) are the most; what is
beyond is left away, and an event DNSConfigForming says so. Before 1.26 it was 6 domains and 256 characters.

The cluster's DNS server is the tenth address of the Service range, by kubeadm's convention, whether anybody is there or
not, unless the kubelet's flag ``--cluster-dns`` names others.

Left out: ``clusterDNS``, ``clusterDomain`` and ``resolvConf`` of the kubelet's configuration file. Source:
kubernetes/kubernetes pkg/kubelet/network/dns/dns.go, cmd/kubeadm/app/constants (GetDNSIP), containerd
internal/cri/server/sandbox_run_linux.go (parseDNSOptions).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple

from k8slearn.components import Settings, ranges
from k8slearn.components.kubelet import flags
from k8slearn.components.kubelet.pod import Pod
from k8slearn.journal import World
from k8slearn.linux import resolver

CLUSTER_DOMAIN = "cluster.local"
TENTH = 10
SERVERS = 3
WIDE, NARROW = (32, 2048), (6, 256)
"""(search domains, characters): since 1.26, and before (KEP-2595)."""
SINCE = 26
SERVERS_EXCEEDED = (
    "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {line}"
)
SEARCH_EXCEEDED = (
    "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {line}"
)


class Dns(NamedTuple):
    """What stands in a resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def cluster_dns(settings: Settings) -> str:
    """The address that kubeadm gives the cluster's DNS server: the tenth of the (first) Service range."""
    network = ip_network(ranges(settings.service_cidr)[0])
    return str(network[TENTH]) if network.num_addresses > TENTH else ""


def resolv_conf(pod: Pod) -> str:
    """The file that this pod's containers get."""
    dns, _ = _formed(pod)
    servers = [f"nameserver {server}" for server in dns.servers]
    search = [f"search {' '.join(dns.searches)}"] * bool(dns.searches)
    options = [f"options {' '.join(dns.options)}"] * bool(dns.options)
    lines = [*servers, *search, *options] if pod.dial.dockershim else [*search, *servers, *options]
    return "".join(f"{line}\n" for line in lines)


def complaints(pod: Pod) -> list[str]:
    """What was left away, in the words of the event DNSConfigForming."""
    return _formed(pod)[1]


def _formed(pod: Pod) -> tuple[Dns, list[str]]:
    dns = _added(_by_policy(pod), pod.spec.get("dnsConfig") or {})
    servers = dns.servers[:SERVERS]
    searches = _fitting(dns.searches, *(WIDE if pod.dial.minor >= SINCE else NARROW))
    said = [SERVERS_EXCEEDED.format(line=" ".join(servers))] * (servers != dns.servers)
    said += [SEARCH_EXCEEDED.format(line=" ".join(searches))] * (searches != dns.searches)
    return Dns(servers, searches, dns.options), said


def _fitting(searches: tuple[str, ...], most: int, longest: int) -> tuple[str, ...]:
    fitting = searches[:most]
    while fitting and len(" ".join(fitting)) > longest:
        fitting = fitting[:-1]
    return fitting


def _by_policy(pod: Pod) -> Dns:
    policy = pod.spec.get("dnsPolicy") or "ClusterFirst"
    usual = cluster_dns(pod.world.get(("cluster", "settings", "")))
    servers = flags.of(pod.world, pod.node).cluster_dns or tuple(filter(None, (usual,)))
    if policy == "None":
        return Dns()
    host = _of_node(pod.world, pod.node)
    if policy == "Default" or (policy == "ClusterFirst" and pod.host_network) or not servers:
        return host
    own = (f"{pod.namespace}.svc.{CLUSTER_DOMAIN}", f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN)
    return Dns(servers, tuple(dict.fromkeys((*own, *host.searches))), ("ndots:5",))


def _of_node(world: World, node: str) -> Dns:
    lines = [line.split() for line in resolver.of_machine(world, node).splitlines()]
    found = {word: [line[1:] for line in lines if line[:1] == [word]] for word in ("nameserver", "search", "options")}
    servers = tuple(words[0] for words in found["nameserver"] if words)
    searches = tuple(found["search"][-1]) if found["search"] else ()
    return Dns(servers, searches, tuple(found["options"][-1]) if found["options"] else ())


def _added(dns: Dns, config: dict[str, object]) -> Dns:
    """What ``dnsConfig`` adds; an option of its own takes the place of one with its name."""
    given: dict[str, list[str]] = {name: list(config.get(name) or ()) for name in ("nameservers", "searches")}  # type: ignore[call-overload]
    options = dict(option.partition(":")[::2] for option in dns.options)
    for each in config.get("options") or ():  # type: ignore[attr-defined]
        options[each["name"]] = str(each.get("value") or "")
    return Dns(
        tuple(dict.fromkeys((*dns.servers, *given["nameservers"]))),
        tuple(dict.fromkeys((*dns.searches, *given["searches"]))),
        tuple(f"{name}:{value}" if value else name for name, value in options.items()),
    )


def hosts(pod: Pod, address: str) -> Iterator[str]:
    """The lines of the /etc/hosts that the kubelet writes for a pod with this address."""
    yield from HOSTS
    if address:
        name, domain = pod.spec.get("hostname") or pod.name, pod.spec.get("subdomain")
        full = f"{name}.{domain}.{pod.namespace}.svc.{CLUSTER_DOMAIN}\t" if domain else ""
        yield f"{address}\t{full}{name}"


HOSTS = (
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)
