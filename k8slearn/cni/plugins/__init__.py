"""The CNI plugins: those that lie in /opt/cni/bin of every node (the package kubernetes-cni), and the vendors'.

Left out: what `k8slearn.cni` leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slearn.cni.plugins.aws_cni import aws_cni
from k8slearn.cni.plugins.bandwidth import bandwidth
from k8slearn.cni.plugins.bridge import bridge
from k8slearn.cni.plugins.calico import calico
from k8slearn.cni.plugins.calico_ipam import calico_ipam
from k8slearn.cni.plugins.cilium_cni import cilium_cni
from k8slearn.cni.plugins.dhcp import dhcp
from k8slearn.cni.plugins.firewall import firewall
from k8slearn.cni.plugins.flannel import flannel
from k8slearn.cni.plugins.host_device import host_device
from k8slearn.cni.plugins.host_local import host_local
from k8slearn.cni.plugins.ipvlan import ipvlan_plugin
from k8slearn.cni.plugins.loopback import loopback
from k8slearn.cni.plugins.macvlan import macvlan_plugin
from k8slearn.cni.plugins.portmap import portmap
from k8slearn.cni.plugins.ptp import ptp
from k8slearn.cni.plugins.static import static
from k8slearn.cni.plugins.tuning import tuning
from k8slearn.cni.plugins.vlan import vlan_plugin
from k8slearn.linux.program import Program

PLUGINS: Mapping[str, Program] = {
    "bandwidth": bandwidth,
    "bridge": bridge,
    "dhcp": dhcp,
    "firewall": firewall,
    "host-device": host_device,
    "host-local": host_local,
    "ipvlan": ipvlan_plugin,
    "loopback": loopback,
    "macvlan": macvlan_plugin,
    "portmap": portmap,
    "ptp": ptp,
    "static": static,
    "tuning": tuning,
    "vlan": vlan_plugin,
}

BROUGHT: Mapping[str, Program] = {
    "aws-cni": aws_cni,
    "calico": calico,
    "calico-ipam": calico_ipam,
    "cilium-cni": cilium_cni,
    "flannel": flannel,
}
"""Vendors' plugins, by name: each is on a node only where its install container copied it (`skel.installed`)."""
