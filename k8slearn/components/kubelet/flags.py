"""The kubelet's command line: what an installer wrote into a file, and what a kubelet makes of it when it starts.

systemd starts the kubelet with what two files say, the later word winning::

    /var/lib/kubelet/kubeadm-flags.env    KUBELET_KUBEADM_ARGS="..."    written by kubeadm
    /etc/default/kubelet                  KUBELET_EXTRA_ARGS="..."      an administrator's own

A flag that this version does not know ends the kubelet before it has done anything: ``--network-plugin`` since 1.24.
Then systemd starts it again every ten seconds, in vain; the pods that run go on, and the node falls silent. A change
of the files counts when the kubelet is started again, as with the real one.

Each flag is a row of `FLAGS`: since which and until which minor version it exists, and what it may say.

Left out: flags that would change what is not modelled (each is refused in the kubelet's log), systemd's own unit
files, ``--config`` other than /var/lib/kubelet/config.yaml. Sources: kubernetes/kubernetes cmd/kubelet/app/server.go,
pkg/kubelet/config/flags.go (1.23), pkg/kubelet/apis/config/validation; the sentence of an unknown flag:
kubernetes/website#34755; the files: kubernetes/kubeadm#2742, kubernetes/kubernetes#122632.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from k8slearn.cni.kubenet import HAIRPINS, Options
from k8slearn.components import Settings
from k8slearn.components.kubelet import dial
from k8slearn.errors import Refused
from k8slearn.journal import Key, World

FILES = {
    "/var/lib/kubelet/kubeadm-flags.env": "KUBELET_KUBEADM_ARGS",
    "/etc/default/kubelet": "KUBELET_EXTRA_ARGS",
}
"""Where flags stand, and under which name; later files win."""
KUBEADM_FLAGS, EXTRA_FLAGS = FILES
ALWAYS, LAST_WITH_DOCKERSHIM = 99, 23
PLUGINS = ("cni", "kubenet")
MTU = r"[1-9]\d{2,4}|0"
CIDR = r"(\d{1,3}\.){3}\d{1,3}/([12]?\d|3[0-2])"
BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
ADDRESS = rf"(?:{BYTE}\.){{3}}{BYTE}"


class Flags(NamedTuple):
    """What a running kubelet was started with."""

    network_plugin: str = "cni"
    kubenet: Options = Options()
    """Heeded by kubenet alone."""
    cluster_dns: tuple[str, ...] = ()
    """The name servers of pods; none: the cluster's, as kubeadm configured it."""


class Flag(NamedTuple):
    """One flag of the kubelet's: the minor versions that have it, the values that it may have, the field it sets."""

    since: int = 0
    until: int = ALWAYS
    values: str = r".+"
    field: str = ""
    meant: str = ""
    """What the values are, in words."""


FLAGS = {
    "network-plugin": Flag(until=LAST_WITH_DOCKERSHIM, values="|".join(PLUGINS), field="network_plugin"),
    "non-masquerade-cidr": Flag(
        until=LAST_WITH_DOCKERSHIM, values=CIDR, field="non_masquerade_cidr", meant="an IPv4 network"
    ),
    "network-plugin-mtu": Flag(until=LAST_WITH_DOCKERSHIM, values=MTU, field="mtu", meant="a number of bytes"),
    "hairpin-mode": Flag(values="|".join(HAIRPINS), field="hairpin_mode"),
    "cluster-dns": Flag(values=rf"{ADDRESS}(,{ADDRESS})*", field="cluster_dns", meant="IPv4 addresses"),
    "cni-conf-dir": Flag(until=LAST_WITH_DOCKERSHIM, values="/etc/cni/net.d/?"),
    "cni-bin-dir": Flag(until=LAST_WITH_DOCKERSHIM, values="/opt/cni/bin/?"),
    "container-runtime": Flag(until=26, values="docker|remote"),
    "container-runtime-endpoint": Flag(),
    "pod-infra-container-image": Flag(until=34),
    "config": Flag(values="/var/lib/kubelet/config.yaml"),
    "kubeconfig": Flag(),
    "bootstrap-kubeconfig": Flag(),
    "v": Flag(values=r"\d+", meant="a number"),
}
"""Those without a field say what is so in any case."""
UNKNOWN = "failed to parse kubelet flag: unknown flag: --{name}"
HAIRPIN = (
    "failed to validate kubelet configuration, error: invalid configuration: option {value} specified for HairpinMode "
    '(--hairpin-mode). Valid options are "none", "hairpin-veth" or "promiscuous-bridge"'
)
NOT_MODELLED = "--{name}={value} is not modelled here: it may be {values}"


def installed(settings: Settings) -> str:
    """What kubeadm writes into `KUBEADM_FLAGS`; for kubenet the administrator has changed the plugin's name in it."""
    version = dial.at(settings.kubernetes)
    image = f"--pod-infra-container-image={version.pause}"
    endpoint = "--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock"
    if version.dockershim:
        words = [f"--network-plugin={'kubenet' if settings.network == 'kubenet' else 'cni'}", image]
    elif version.minor < 34:
        words = [*(["--container-runtime=remote"] if version.minor < 27 else []), endpoint, image]
    else:
        words = []
    return f'KUBELET_KUBEADM_ARGS="{" ".join(words)}"\n'


def extra(server: str) -> str:
    """What an administrator writes into `EXTRA_FLAGS` for pods to ask this name server."""
    return f"KUBELET_EXTRA_ARGS=--cluster-dns={server}\n"


def key(node: str) -> Key:
    """Where the world keeps what the running kubelet of a node (a scope) was started with, if that is not usual."""
    return (node, "flags", "kubelet")


def of(world: World, node: str) -> Flags:
    """What the running kubelet of this node was started with."""
    found: Flags | None = world.get(key(node))
    return found if found is not None else Flags()


def read(world: World, node: str) -> Flags:
    """What a kubelet that starts now is told. Raises `Refused` with the kubelet's own last words."""
    return parse(
        [word for path, name in FILES.items() for word in _words(world, node, path, name)], dial.of(world).minor
    )


def _words(world: World, node: str, path: str, name: str) -> Iterator[str]:
    for line in (world.get((node, "file", path)) or "").splitlines():
        variable, _, value = line.strip().partition("=")
        if variable == name:
            yield from shlex.split(value.strip().strip("\"'"))


def parse(words: list[str], minor: int) -> Flags:
    """A command line as a kubelet of this minor version reads it. Raises `Refused` with its own words."""
    told: dict[str, str] = {}
    for word in words:
        name, _, value = word.lstrip("-").partition("=")
        flag = FLAGS.get(name)
        if flag is None or not flag.since <= minor <= flag.until:
            raise Refused(UNKNOWN.format(name=name))
        if re.fullmatch(flag.values, value) is None:
            values = flag.meant or flag.values.replace("|", " or ").replace("/?", "")
            said = HAIRPIN.format(value=f'"{value}"') if name == "hairpin-mode" else ""
            raise Refused(said or NOT_MODELLED.format(name=name, value=value, values=values))
        if flag.field:
            told[flag.field] = value
    usual = Flags()
    options = Options(
        told.get("non_masquerade_cidr", usual.kubenet.non_masquerade_cidr),
        told.get("hairpin_mode", usual.kubenet.hairpin_mode),
        int(told.get("mtu", 0)),
    )
    servers = tuple(filter(None, told.get("cluster_dns", "").split(",")))
    return Flags(told.get("network_plugin", usual.network_plugin), options, servers)
