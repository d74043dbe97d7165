"""What multus is told (its configuration in /etc/cni/net.d), and the networks that it delegates to (pkg/types).

A `Delegate` is a CNI configuration, of one plugin or a list, with what a pod's annotation asks of it. ADD keeps them in
a file, so that DEL needs neither the API nor the annotation: both may say something else by then.

Left out: in that file, the fields that nobody reads.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import netconf, skel
from k8slearn.cni.decode import BOOL, NETCONF, OBJECT, STRING, STRINGS, Items, Struct
from k8slearn.cni.multus.selection import Element
from k8slearn.cni.netconf import Network
from k8slearn.cni.spec import CniError, previous

_NETCONF = Struct(
    "types.NetConf",
    {
        **NETCONF,
        "delegates": Items(OBJECT, "[]map[string]interface {}"),
        "runtimeConfig": OBJECT,
        **dict.fromkeys(("confDir", "cniDir", "binDir", "clusterNetwork", "kubeconfig"), STRING),
        **dict.fromkeys(("readinessindicatorfile", "globalNamespaces", "multusNamespace"), STRING),
        **dict.fromkeys(("logFile", "logLevel", "auxiliaryCNIChainName"), STRING),
        **dict.fromkeys(("defaultNetworks", "systemNamespaces"), STRINGS),
        **dict.fromkeys(("namespaceIsolation", "retryDeleteOnError", "logToStderr"), BOOL),
    },
)
CAPABILITIES = ("portMappings", "bandwidth", "ips", "mac")
"""What of the runtime's capabilities reaches a delegate."""


class Delegate(NamedTuple):
    """One network that multus attaches the pod to."""

    net: Network
    name: str
    """``namespace/name`` of the object, or the configuration's own name."""
    listed: bool
    ifname: str = ""
    mac: str = ""
    ips: tuple[str, ...] = ()
    gateways: tuple[str, ...] | None = None
    """``default-route``: None where nothing is said."""
    filtered: bool = False
    """Another network has the default route: those of this one go."""
    master: bool = False
    """The default network: it has the runtime's interface, and its result is the pod's."""
    asked: str = "{}"
    """JSON: capabilities that the annotation brings."""

    @property
    def network(self) -> str:
        """The configuration's own name: that of the cached result."""
        return self.net.name

    @property
    def called(self) -> str:
        """As errors call it: a list by its name, a plugin by its type."""
        return self.net.name if self.listed else self.net.types[0]

    def interface(self, given: str, index: int) -> str:
        """getIfname(): what was asked for, the runtime's own for the default network, or ``net1``, ``net2``, ..."""
        return self.ifname or (given if self.master else f"net{index}")

    def capabilities(self, given: Mapping[str, Any]) -> str:
        """JSON: the runtime's capabilities; for a further network also what the annotation says."""
        own = {} if self.master else json.loads(self.asked)
        return json.dumps({name: v for name in CAPABILITIES if (v := own.get(name) or given.get(name))})


class Conf(NamedTuple):
    """The plugin's own fields, with its defaults."""

    delegates: tuple[Delegate, ...]
    cluster_network: str
    default_networks: tuple[str, ...]
    system_namespaces: tuple[str, ...]
    namespace: str
    isolated: bool
    shared_namespaces: tuple[str, ...]
    kubeconfig: str
    cni_dir: str
    conf_dir: str
    bin_dir: str
    readiness_file: str
    retry_delete: bool
    runtime_config: Mapping[str, Any]

    @property
    def results(self) -> str:
        """Where multus, as a runtime, keeps results."""
        return f"{self.cni_dir}/results/"


@lru_cache(maxsize=1024)
def load(stdin: str) -> Conf:
    """LoadNetConf(). Raises CniError."""
    raw = skel.load(stdin, _NETCONF, "LoadNetConf: failed to load netconf")
    if raw.get("auxiliaryCNIChainName"):
        raise CniError("auxiliaryCNIChainName is not modelled here, leave the field out")
    try:
        previous(skel.configuration(stdin))
    except CniError as error:
        raise CniError(f"LoadNetConf: {error.msg}") from None
    cluster, given = raw.get("clusterNetwork", ""), raw.get("delegates") or []
    if not given and not cluster:
        raise CniError("LoadNetConf: at least one delegate/clusterNetwork must be specified")
    return Conf(
        () if cluster else tuple(_given(index, config or {}) for index, config in enumerate(given)),
        cluster,
        tuple(raw.get("defaultNetworks") or ()),
        tuple(raw.get("systemNamespaces") or ("kube-system",)),
        raw.get("multusNamespace", "kube-system"),
        raw.get("namespaceIsolation", False),
        tuple(word.strip() for word in (raw.get("globalNamespaces") or "default").split(",")),
        raw.get("kubeconfig", ""),
        raw.get("cniDir", "/var/lib/cni/multus"),
        raw.get("confDir", "/etc/cni/multus/net.d"),
        raw.get("binDir", "/opt/cni/bin"),
        raw.get("readinessindicatorfile", ""),
        raw.get("retryDeleteOnError", False),
        raw.get("runtimeConfig") or {},
    )


def _given(index: int, config: dict[str, Any]) -> Delegate:
    try:
        return delegate(json.dumps(config))._replace(master=index == 0)
    except CniError as error:
        raise CniError(f"LoadNetConf: failed to load delegate {index} config: {error.msg}") from None


def delegate(text: str, element: Element | None = None) -> Delegate:
    """LoadDelegateNetConf(): the configuration, and what an element of the annotation asks of it. Raises CniError."""
    config = _object(text)
    listed = not config.get("type")
    if listed and not isinstance(config.get("plugins"), list):
        words = "LoadDelegateNetConfList: delegate must have the 'type' or 'plugin' field"
        raise CniError(f"LoadDelegateNetConf: failed with: {words}")
    if element is not None and element.get("cni-args") is not None:
        config = _with_args(config, listed, element["cni-args"])
    net = _network(json.dumps(config), listed)
    if element is None:
        return Delegate(net, net.name, listed)
    asked = {name: element.get(name) for name in CAPABILITIES if element.get(name)}
    gateways = element.get("default-route")
    return Delegate(
        net,
        f"{element['namespace']}/{element['name']}" if element.get("name") else net.name,
        listed,
        element.get("interface", ""),
        element.get("mac", ""),
        tuple(element.get("ips") or ()),
        tuple(filter(None, gateways)) if gateways is not None else None,
        asked=json.dumps(asked),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        return dict(skel.configuration(text))
    except CniError as error:
        said = error.msg.removeprefix("error unmarshall network config: ")
        raise CniError(f"LoadDelegateNetConf: error unmarshalling delegate config: {said}") from None


def _network(text: str, listed: bool) -> Network:
    path = "list.conflist" if listed else "one.conf"
    return netconf.read({path: text}, path)._replace(single=not listed)


def _with_args(config: dict[str, Any], listed: bool, told: Mapping[str, Any]) -> dict[str, Any]:
    """``cni-args`` become ``args.cni`` of every plugin (addCNIArgsInConfig)."""
    if listed:
        return {**config, "plugins": [_with_args(plugin, False, told) for plugin in config["plugins"]]}
    args = config.get("args") or {}
    return {**config, "args": {**args, "cni": {**(args.get("cni") or {}), **told}}}


# -- the file that DEL reads -------------------------------------------------------------------------------------------


def saved(delegates: Sequence[Delegate]) -> str:
    """The delegates as JSON (saveDelegates)."""
    return json.dumps([_row(one) for one in delegates], separators=(",", ":"))


def _row(one: Delegate) -> dict[str, Any]:
    config = json.loads(one.net.text)
    text = one.net.text if one.listed else json.dumps(config["plugins"][0])
    kept = {
        "ifnameRequest": one.ifname,
        "macRequest": one.mac,
        "ipRequest": list(one.ips),
        "default-route": list(one.gateways) if one.gateways is not None else None,
    }
    kind = "ConfList" if one.listed else "Conf"
    return {
        kind: {"cniVersion": one.net.version, "name": one.net.name},
        "Name": one.name,
        **{name: value for name, value in kept.items() if value},
        "IsFilterV4Gateway": one.filtered,
        "IsFilterV6Gateway": one.filtered,
        "Bytes": base64.b64encode(text.encode()).decode(),
    }


def cached(text: str) -> list[Delegate] | None:
    """The delegates that ADD kept, or None where the file cannot be read."""
    try:
        rows = [_cached(row) for row in json.loads(text)]
    except (ValueError, KeyError, TypeError, AttributeError, CniError):
        return None
    return [rows[0]._replace(master=True), *rows[1:]] if rows else None


def _cached(row: dict[str, Any]) -> Delegate:
    listed = "ConfList" in row
    net = _network(base64.b64decode(row["Bytes"]).decode(), listed)
    asked = (row.get("ifnameRequest", ""), row.get("macRequest", ""), tuple(row.get("ipRequest") or ()))
    told = {"mac": asked[1], "ips": list(asked[2])}
    return Delegate(net, row["Name"], listed, *asked, asked=json.dumps({k: v for k, v in told.items() if v}))
