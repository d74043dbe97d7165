"""How a pod gets its network: by CNI, or by kubenet where the cluster is old enough to have it.

Since 1.24 the container runtime does this, before that the kubelet (dockershim) did; the calls are the same. Here is
also what the kubelet says while a node has no network yet.

Left out: DNS in the CNI call.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator
from contextlib import suppress
from typing import Any

from k8slearn.api import quantity
from k8slearn.cni import cri, kubenet, runtime, spec
from k8slearn.cni.cri import Sandbox
from k8slearn.cni.runtime import Attachment
from k8slearn.cni.spec import CniError
from k8slearn.components import runs
from k8slearn.components.kubelet import dial, flags
from k8slearn.components.kubelet.pod import Pod
from k8slearn.journal import Command, Commands, Put, World
from k8slearn.linux import netns

IFNAME = "eth0"
PER_CONTAINERD = "Network plugin returns error: cni plugin not initialized"
PER_DOCKERSHIM = "docker: network plugin is not ready: "
RUNTIME_DOWN = "container runtime is down"
POD_IPS = "k8slearn.io/pod-ips"
"""The annotation by which a pod may ask for its address."""


def not_ready(world: World, node: str) -> str:
    """Why pods on this node (a scope) cannot have a network yet, in the kubelet's words; empty: they can."""
    reason = _reason(world, node)
    if not reason or reason == RUNTIME_DOWN:
        return reason
    who = "runtime" if dial.of(world).dockershim else "container runtime"
    return f"{who} network not ready: NetworkReady=false reason:NetworkPluginNotReady message:{reason}"


def _reason(world: World, node: str) -> str:
    if not runs(world, node, "containerd"):
        return RUNTIME_DOWN
    old = dial.of(world).dockershim
    if is_kubenet(world, node):
        return "" if pod_cidrs(world, node) else PER_DOCKERSHIM + kubenet.NO_POD_CIDR
    if runtime.network(world, node) is not None:
        return ""
    return f"{PER_DOCKERSHIM}cni config uninitialized" if old else PER_CONTAINERD


def is_kubenet(world: World, node: str) -> bool:
    """Was this node's kubelet started with ``--network-plugin=kubenet``?"""
    return flags.of(world, node).network_plugin == "kubenet"


def pod_cidrs(world: World, node: str) -> tuple[str, ...]:
    """The node's ``spec.podCIDRs``."""
    obj: dict[str, Any] = world.get(("api", "nodes", node.removeprefix("node:"))) or {}
    spec = obj.get("spec") or {}
    return tuple(spec.get("podCIDRs") or filter(None, (spec.get("podCIDR"),)))


def wire(pod: Pod, sandbox: Sandbox) -> Generator[Command, None, tuple[str, ...]]:
    """ADD: give the sandbox its network; returns its addresses. Raises CniError (what was done is undone)."""
    try:
        result = yield from _add(pod, sandbox)
        if not result.get("ips"):
            raise CniError("failed to find network info for sandbox: no IP address in the result")
    except CniError:
        with suppress(CniError):
            yield from unwire(pod.world, pod.node, sandbox, pod)
        raise
    return _of_each_family([str(entry["address"]).partition("/")[0] for entry in result["ips"]])


def _of_each_family(addresses: list[str]) -> tuple[str, ...]:
    """The first of each family, the node's own first family first (kubelet_pods.go: sortPodIPs)."""
    first = {":" in address: address for address in reversed(addresses)}
    return tuple(first[six] for six in sorted(first))


def _add(pod: Pod, sandbox: Sandbox) -> Generator[Command, None, spec.Result]:
    to = _attachment(pod.node, sandbox, pod)
    yield _called(pod.world, "ADD", to, sandbox.pod)
    if is_kubenet(pod.world, pod.node):
        options = flags.of(pod.world, pod.node).kubenet
        return (yield from kubenet.add(pod.world, pod_cidrs(pod.world, pod.node), to, options))
    network = runtime.network(pod.world, pod.node)
    if network is None:
        raise CniError("cni plugin not initialized")
    loopback = runtime.parse("loopback.conflist", runtime.LOOPBACK)
    assert loopback is not None
    yield from runtime.add(pod.world, loopback, to._replace(ifname="lo", capabilities="{}"))
    return (yield from runtime.add(pod.world, network, to))


def unwire(world: World, node: str, sandbox: Sandbox, pod: Pod | None = None) -> Commands:
    """DEL: take the network away again. Raises CniError.

    The runtime still knows the sandbox's ports: without them portmap would leave its rules behind."""
    to = _attachment(node, sandbox, pod)
    yield _called(world, "DEL", to, sandbox.pod)
    if is_kubenet(world, node):
        yield from kubenet.delete(world, pod_cidrs(world, node), to, flags.of(world, node).kubenet)
        return
    network = runtime.network(world, node)
    if network is None:
        raise CniError("cni plugin not initialized")
    to = to if pod is not None else to._replace(capabilities=runtime.kept_capabilities(world, network, to))
    yield from runtime.delete(world, network, to)
    loopback = runtime.parse("loopback.conflist", runtime.LOOPBACK)
    assert loopback is not None
    yield from runtime.delete(world, loopback, to._replace(ifname="lo", capabilities="{}"))


def _called(world: World, command: str, to: Attachment, pod: str) -> Put:
    """The runtime (or under Docker the kubelet) calls the plugins of the network."""
    network, who = runtime.network(world, to.node), dial.of(world)
    plugins = network.types if network is not None else ()
    plugins = ("bridge",) if is_kubenet(world, to.node) else ("loopback", *plugins)
    caller = "kubelet" if who.dockershim else who.scheme
    called = ", ".join(plugins if command == "ADD" else reversed(plugins))
    return cri.call(world, to.node, pod, caller, "CNI", command, plugins=called, ifname=to.ifname, netns=to.netns)


def _attachment(node: str, sandbox: Sandbox, pod: Pod | None = None) -> Attachment:
    """What the plugins are told. For DEL the pod itself may be gone already."""
    namespace, _, name = sandbox.pod.partition("/")
    words = {
        "IgnoreUnknown": "1",
        "K8S_POD_NAMESPACE": namespace,
        "K8S_POD_NAME": name,
        "K8S_POD_INFRA_CONTAINER_ID": sandbox.id,
        "K8S_POD_UID": sandbox.uid,
    }
    asked = _asked(pod) if pod is not None else []
    if len(asked) == 1:
        words["IP"] = asked[0]
    args = ";".join(f"{key}={value}" for key, value in words.items())
    given = {"portMappings": _port_mappings(pod), "bandwidth": _bandwidth(pod)} if pod is not None else {}
    given |= {"ips": asked} if len(asked) > 1 else {}
    capabilities = json.dumps({name: value for name, value in given.items() if value})
    return Attachment(node, sandbox.id, netns_path(sandbox), IFNAME, args, capabilities)


def netns_path(sandbox: Sandbox) -> str:
    """The file that stands for the sandbox's namespace: containerd's own, or under Docker its pause process'."""
    inner = sandbox.netns.partition("/")[2]
    return netns.path(sandbox.netns) if inner.startswith("cni-") else f"/proc/{sandbox.pid}/ns/net"


def _asked(pod: Pod) -> list[str]:
    """What the pod asks for by annotation: one address goes by CNI_ARGS, two (dual-stack) by the capability ``ips``."""
    text = (pod.obj["metadata"].get("annotations") or {}).get(POD_IPS)
    if text is None:
        return []
    try:
        asked = json.loads(text)
    except (TypeError, ValueError):
        asked = None
    if not isinstance(asked, list) or not asked or not all(isinstance(ip, str) for ip in asked):
        raise CniError(f'annotation {POD_IPS}: expected a list of addresses such as ["10.244.1.10"], not {text}')
    network = runtime.network(pod.world, pod.node)
    if len(asked) > 1 and not (network is not None and runtime.takes(network, "ips")):
        raise CniError(f"annotation {POD_IPS}: no plugin of this network has the capability ips: ask for one address")
    return asked


def _port_mappings(pod: Pod) -> list[dict[str, Any]]:
    """The pod's hostPorts, as the runtime hands them to portmap."""
    ports = (port for container in pod.spec["containers"] for port in container.get("ports") or ())
    return [
        {
            "hostPort": port["hostPort"],
            "containerPort": port["containerPort"],
            "protocol": str(port.get("protocol", "TCP")).lower(),
            "hostIP": port.get("hostIP", ""),
        }
        for port in ports
        if port.get("hostPort")
    ]


def _bandwidth(pod: Pod) -> dict[str, int]:
    """How fast the pod may be, by its annotations, as the runtime hands it to the plugin bandwidth: bits a second, and
    bits at once, of which the runtime allows as many as the number holds (containerd's sandbox_run.go)."""
    annotations = pod.obj["metadata"].get("annotations") or {}
    burst = 2**31 - 1 if dial.of(pod.world).dockershim else 2**32 - 1
    limits: dict[str, int] = {}
    for way in ("ingress", "egress"):
        text = annotations.get(f"kubernetes.io/{way}-bandwidth")
        if text is not None:
            limits |= {f"{way}Rate": _rate(text), f"{way}Burst": burst}
    return limits


def _rate(text: str) -> int:
    """Bits a second: ``10M``. (kubelet's pkg/util/bandwidth: from a thousand to a thousand billion.)"""
    try:
        rate = math.ceil(quantity.parse(text))
    except ValueError as error:
        raise CniError(f"get cni namespace options: {error}") from None
    if not 1000 <= rate <= 10**15:
        words = "small (< 1kbit)" if rate < 1000 else "large (> 1Pbit)"
        raise CniError(f"get cni namespace options: resource is unreasonably {words}")
    return rate
