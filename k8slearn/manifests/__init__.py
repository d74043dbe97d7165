"""The manifests by which network plugins, load balancers and proxies are installed, in the shape of the projects' own.

``kubectl apply -f kube-flannel.yml`` is how a person installs flannel, and `text` is that file as this cluster's
administrator would have edited it: with the cluster's own pod range, and the backend that was asked for.

Left out: resources, probes and health ports, security contexts, environment variables that change nothing here.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

POD_CIDR = "10.244.0.0/16"
"""What stands in the files, as in the plugins' own."""
PLUGINS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "flannel": ("flannel.yaml", ()),
    "calico": ("calico.yaml", ()),
    "cilium": ("cilium.yaml", ()),
    "vpc": ("vpc.yaml", ()),
    "flannel-host-gw": ("flannel.yaml", (('"Type": "vxlan"', '"Type": "host-gw"'),)),
}
"""The wirings that are installed by a manifest: the file, and what is edited in it."""
DUAL = {
    "flannel.yaml": (
        (
            f'"Network": "{POD_CIDR}",',
            f'"EnableIPv6": true,\n      "Network": "{POD_CIDR}",\n      "IPv6Network": "{{six}}",',
        ),
    ),
}
"""What is edited for a dual-stack cluster, as the plugins' own documentation says."""
ADDED: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {"multus": ("multus.yaml", ())}
"""What is applied on top of a wiring: ``cluster.apply(manifests.text("multus"))``."""

ADDONS: dict[str, tuple[str, ...]] = {
    "metallb": ("metallb.yaml",),
    "cloud": ("cloud.yaml",),
    "coredns": ("coredns.yaml",),
    "node-local-dns": ("node-local-dns.yaml",),
    "ingress-nginx": ("ingress-nginx.yaml",),
    "gateway-api": ("gateway-api.yaml",),
    "envoy-gateway": ("gateway-api.yaml", "envoy-gateway.yaml"),
}
"""What a person installs on top: a load balancer in the cluster, one that the cloud has outside of it, names, a
controller for Ingresses, the Gateway API's definitions, and a controller for Gateways, which brings them along."""
URLS = {
    "metallb-native.yaml": "metallb",
    "baremetal/deploy.yaml": "ingress-nginx",
    "standard-install.yaml": "gateway-api",
    "install.yaml": "envoy-gateway",
    "coredns.yaml": "coredns",
    "nodelocaldns.yaml": "node-local-dns",
}
"""How the address ends that a project's own pages name -> the add-on."""


def addon(name: str) -> str:
    """The manifest of an add-on as YAML."""
    return "---\n".join(_read(file) for file in ADDONS[name])


def _read(file: str) -> str:
    return resources.files("k8slearn.manifests").joinpath(file).read_text(encoding="utf-8")


DAEMONS = {"kube-flannel-ds", "calico-node", "cilium", "aws-node"}
"""The DaemonSets by which the plugins come onto the nodes: who applies one installs a wiring."""


DNS = "10.96.0.10"
"""The address in CoreDNS' manifest: the tenth of kubeadm's own Service range."""


def dns(address: str) -> str:
    """The manifest of CoreDNS, as YAML, for a cluster whose DNS server has this address."""
    return addon("coredns").replace(f"clusterIP: {DNS}\n", f"clusterIP: {address}\n")


NODE_LOCAL = "169.254.20.10"
"""The address at which NodeLocal DNSCache listens on every node."""


def node_local_dns(address: str, ipvs: bool = False) -> str:
    """The manifest of NodeLocal DNSCache, edited as the documentation says, for a kube-dns with this address."""
    edits = [("LOCAL__DNS", NODE_LOCAL), ("DNS__DOMAIN", "cluster.local")]
    edits += [("CLUSTER__DNS", address)] if ipvs else [("DNS__SERVER", address)]
    found = addon("node-local-dns")
    if ipvs:
        found = found.replace(",__PILLAR__DNS__SERVER__", "")
    for name, value in edits:
        found = found.replace(f"__PILLAR__{name}__", value)
    return found


@lru_cache(maxsize=64)
def text(network: str, pod_cidr: str = POD_CIDR) -> str:
    """The manifest of a wiring (or of what is added to one) as YAML, for pods out of `pod_cidr` (or of ``v4,v6``)."""
    file, edits = {**PLUGINS, **ADDED}[network]
    found = _read(file)
    four, _, six = pod_cidr.partition(",")
    both = tuple((old, new.format(six=six)) for old, new in DUAL.get(file, ())) if six else ()
    for old, new in (*edits, *both, (POD_CIDR, four)):
        found = found.replace(old, new)
    return found
