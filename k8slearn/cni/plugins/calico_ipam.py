"""The ``calico-ipam`` plugin: an address out of Calico's pools, written into the API and not onto the node.

Every node asks the same API, so an address is given once in the whole cluster (`k8slearn.cni.blocks`). What it gives
is held by a **handle**, the network's name and the container's id, and DEL releases the handle: it needs to know
neither the address nor the pod. ``IP=`` in CNI_ARGS asks for one address.

Left out: IPv6, ``ipv4_pools`` of the configuration and of annotations, the host-wide lock, VMs that keep theirs.
"""

from __future__ import annotations

from k8slearn.cni import blocks, spec
from k8slearn.cni.skel import Args, Printed, plugin
from k8slearn.journal import Commands


def _add(args: Args) -> Printed:
    known = args.cni_args(K8S_POD_NAMESPACE=str, K8S_POD_NAME=str, IP=str)
    node, handle = args.node.removeprefix("node:"), handle_of(args)
    attributes = {"node": node}
    if known.get("K8S_POD_NAME"):
        attributes |= {"namespace": known["K8S_POD_NAMESPACE"], "pod": known["K8S_POD_NAME"]}
    if known.get("IP"):
        address = yield from blocks.take(args.world, node, known["IP"], handle, attributes)
    else:
        address = yield from blocks.assign(args.world, node, handle, attributes)
    cidr = f"{address}/32"
    return spec.printed({"ips": [{"address": cidr}], "routes": [{"dst": cidr}]}, args.version)


def _delete(args: Args) -> Commands:
    yield from blocks.release(args.world, handle_of(args))


def _check(args: Args) -> Commands:
    """The real plugin has no CHECK of its own."""
    yield from ()


def handle_of(args: Args) -> str:
    """``k8s-pod-network.`` and the container's id."""
    return f"{args.name}.{args.container_id}"


calico_ipam = plugin("calico-ipam", _add, _delete, _check, vendor=True)
