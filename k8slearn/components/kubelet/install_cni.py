"""Calico's installer, the init container ``install-cni`` (cni-plugin/pkg/install): it makes a node one of Calico's.

It copies every plugin of its image to the node, and writes the network's configuration: the text that the variable
CNI_NETWORK_CONFIG brings (out of ConfigMap ``calico-config``), with the node's name and the MTU put in.

Left out: the kubeconfig of the plugin, ``SLEEP``, certificates, looking for changed tokens.
"""

from __future__ import annotations

import posixpath
from collections.abc import Generator
from typing import Any

from k8slearn.api import environment
from k8slearn.components.kubelet import mounts
from k8slearn.components.kubelet.pod import Pod
from k8slearn.components.kubelet.programs import short_name
from k8slearn.journal import Command
from k8slearn.linux.program import Result

FROM, TO = "/opt/cni/bin", "/host/opt/cni/bin"
CONFIGURATION, KUBECONFIG = "/host/etc/cni/net.d", "/etc/cni/net.d/calico-kubeconfig"
Obj = dict[str, Any]


def install(pod: Pod, spec: Obj, words: list[str]) -> Generator[Command, None, Result]:
    """``/opt/cni/bin/install``."""
    said = []
    for path in mounts.FILES.get(short_name(spec.get("image", "")), {}):
        file = mounts.read(pod, spec, path)
        if file is not None and posixpath.dirname(path) == FROM:
            yield from mounts.write(pod, spec, posixpath.join(TO, posixpath.basename(path)), file)
            said.append(f"[INFO][1] cni-installer/<nil> <nil>: Installed {TO}/{posixpath.basename(path)}")
    env = environment.of(pod.world, pod.obj, spec)
    text = env.get("CNI_NETWORK_CONFIG", "")
    for old, new in (
        ("__KUBERNETES_NODE_NAME__", env.get("KUBERNETES_NODE_NAME", "")),
        ("__CNI_MTU__", env.get("CNI_MTU") or "0"),
        ("__KUBECONFIG_FILEPATH__", KUBECONFIG),
    ):
        text = text.replace(old, new)
    path = posixpath.join(CONFIGURATION, env.get("CNI_CONF_NAME") or "10-calico.conflist")
    yield from mounts.write(pod, spec, path, mounts.Found(text, pod.row))
    said.append(f"[INFO][1] cni-installer/<nil> <nil>: Created {path}")
    return Result("\n".join(said) + "\n")
