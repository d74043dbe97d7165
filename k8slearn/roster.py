"""Which components a cluster runs, and what stands before the first of them wakes.

The order is the order of their turns (`engine.py`): who is upstream of whom in a real cluster. kubeadm installs most
of it in life; the wiring between nodes is an administrator's, an agent's or a cloud's, and has that name here.

Left out: an API server, etcd and a controller manager as processes that can die.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from k8slearn import ground, installer
from k8slearn.components import Component, Settings
from k8slearn.components.aws_node import AwsNode
from k8slearn.components.calico_node import CalicoNode
from k8slearn.components.cilium import Cilium, CiliumOperator
from k8slearn.components.cloud_balancer import CloudBalancer
from k8slearn.components.cloud_routes import CloudRoutes
from k8slearn.components.coredns import CoreDns
from k8slearn.components.coredns.node_cache import NodeCache
from k8slearn.components.endpointslice import EndpointSlices
from k8slearn.components.endpointslice.mirroring import EndpointSliceMirroring
from k8slearn.components.envoy_gateway import EnvoyGateway
from k8slearn.components.flannel import Flannel
from k8slearn.components.ingress_nginx import IngressNginx
from k8slearn.components.kube_proxy import KubeProxy
from k8slearn.components.kubelet import FirstProbes, Kubelet, RuntimeStatus
from k8slearn.components.metallb import MetalLbController
from k8slearn.components.metallb.speaker import MetalLbSpeakers
from k8slearn.components.node_ipam import NodeIpam
from k8slearn.components.node_lifecycle import NodeLifecycle
from k8slearn.components.node_routes import NodeRoutes
from k8slearn.components.scheduler import Scheduler
from k8slearn.components.service_ranges import IpAddresses, ServiceCidrs
from k8slearn.components.workloads import (
    DaemonSets,
    Deployments,
    GarbageCollector,
    Jobs,
    Namespaces,
    ReplicaSets,
    StatefulSets,
)
from k8slearn.journal import CLOCK, Commands, Put, World
from k8slearn.manifests import PLUGINS

Make = Callable[[], Component]
WIRING: dict[str | None, tuple[Make, ...]] = {"kubenet": (CloudRoutes,), None: ()}
"""Who connects the nodes' pod ranges where no agent on the nodes does; where nobody is named a person does."""
DAEMONS: tuple[Make, ...] = (Flannel, CalicoNode, AwsNode, CiliumOperator, Cilium)
"""The network plugins' agents. Each is there under every wiring, and works on a node while its container runs there."""
LOAD_BALANCERS: tuple[Make, ...] = (MetalLbController, MetalLbSpeakers, CloudBalancer)
"""They work once somebody has installed them."""
PROXIES: tuple[Make, ...] = (IngressNginx, EnvoyGateway)
"""So do these: they configure the proxies that carry requests by host and path."""
PROXY: dict[str, tuple[Make, ...]] = {**dict.fromkeys(("iptables", "nftables", "ipvs"), (KubeProxy,)), "none": ()}


@lru_cache(maxsize=64)
def components(settings: Settings) -> tuple[Component, ...]:
    """The components of such a cluster, upstream first."""
    controllers: tuple[Make, ...] = (
        IpAddresses,
        ServiceCidrs,
        Namespaces,
        GarbageCollector,
        Deployments,
        StatefulSets,
        Jobs,
        ReplicaSets,
        DaemonSets,
    )
    ranges: tuple[Make, ...] = () if settings.network == "vpc" else (NodeIpam,)
    nodes: tuple[Make, ...] = (*ranges, *_wiring(settings.network), NodeLifecycle)
    slices: tuple[Make, ...] = (EndpointSlices, EndpointSliceMirroring)
    agents: tuple[Make, ...] = (Kubelet, *DAEMONS, FirstProbes, RuntimeStatus, *slices, *LOAD_BALANCERS, *PROXIES)
    agents = (*agents, *PROXY[settings.proxy], CoreDns, NodeCache)
    everyone: tuple[Make, ...] = (*nodes, *controllers, Scheduler, *agents)
    return tuple(component() for component in everyone)


def _wiring(network: str | None) -> tuple[Make, ...]:
    return () if network in PLUGINS else WIRING.get(network, (NodeRoutes,))


def start(world: World, settings: Settings) -> Iterator[tuple[str, Commands]]:
    """(author, what it writes) of everything that is there before the components run."""
    yield "installer", iter([Put(ground.SETTINGS, settings), Put(CLOCK, 0.0)])
    yield "installer", ground.build(world, settings)
    yield "kubeadm", installer.files(settings)
    yield "kubeadm", installer.objects(world, settings)
    yield "administrator", installer.plugin(world, settings)
    yield "kubeadm", installer.dns(world, settings)
    yield "administrator", installer.node_local_dns(world, settings)
