"""Where the networks of a pod are from: multus' own configuration, annotations, and NetworkAttachmentDefinitions.

A NetworkAttachmentDefinition's ``spec.config`` is a CNI configuration as text; without one, the file in
/etc/cni/multus/net.d counts whose network has the object's name (pkg/k8sclient/k8sclient.go). The default network may
be named by ``clusterNetwork`` (an object in ``multusNamespace``, a network's name, a folder or a file) or by an
annotation of the pod.

Left out: ``k8s.v1.cni.cncf.io/resourceName``: no device is ever allocated here.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from k8slearn.api import kinds
from k8slearn.api.events import event
from k8slearn.cni import netconf, skel
from k8slearn.cni.multus.conf import Conf, Delegate, delegate
from k8slearn.cni.multus.selection import DEFAULT_NETWORK, NETWORKS, Element, parse
from k8slearn.cni.skel import Args
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command

RESOURCE = "network-attachment-definitions.k8s.cni.cncf.io"
ENDINGS = (".conf", ".json", ".conflist")
Obj = dict[str, Any]


def of_pod(args: Args, conf: Conf, pod: Obj) -> Generator[Command, None, list[Delegate]]:
    """All networks of a pod, the default one first (TryLoadPodDelegates). Raises CniError."""
    found = list(conf.delegates) or default_networks(args, conf, pod)
    annotations = pod["metadata"].get("annotations") or {}
    doing = "error loading k8s delegates k8s args: "
    here = f"{doing}TryLoadPodDelegates: "
    if DEFAULT_NETWORK in annotations:
        try:
            found[0] = yield from _default_of(args, conf, pod, annotations[DEFAULT_NETWORK])
        except CniError as error:
            words = "error in loading K8s cluster default network from pod annotation: tryLoadK8sPodDefaultNetwork: "
            raise CniError(f"{here}{words}{error.msg}") from None
    if not annotations.get(NETWORKS):
        return found
    namespace = pod["metadata"]["namespace"]
    try:
        elements = parse(annotations[NETWORKS], namespace)
    except CniError as error:
        raise CniError(f"{doing}{error.msg}") from None
    for element in elements:
        try:
            _isolated(conf, namespace, element)
            found.append((yield from _of_object(args, conf, element, pod)))
        except CniError as error:
            raise CniError(f"{here}error in getting k8s network for pod: GetNetworkDelegates: {error.msg}") from None
    return _with_gateways(found, doing)


def default_networks(args: Args, conf: Conf, pod: Obj | None) -> list[Delegate]:
    """GetDefaultNetworks(): ``clusterNetwork``, and outside the system's namespaces ``defaultNetworks``. Raises
    CniError."""
    doing = "failed to get clusterNetwork/defaultNetworks: "
    names = [conf.cluster_network]
    if pod is not None and pod["metadata"]["namespace"] not in conf.system_namespaces:
        names += conf.default_networks
    found: list[Delegate] = []
    for name in names:
        try:
            found.append(_named(args, conf, name))
        except CniError as error:
            words = f"GetDefaultNetworks: failed to get clusterNetwork {name} in namespace {conf.namespace}"
            raise CniError(f"{doing}{error.msg if found else words}") from None
    return [found[0]._replace(master=True), *found[1:]]


def _named(args: Args, conf: Conf, name: str) -> Delegate:
    """getNetDelegate(): an object, a network of a file, a folder's first file, or a file."""
    files = args.world.table(args.node, "file")
    if "/" in name:
        path = name if name in files else next(iter(netconf.paths(files, name, (".conf", ".conflist"))), "")
        if not path:
            raise CniError(f"stat {name}: no such file or directory")
        return delegate(files[path])
    obj = args.world.get(("api", RESOURCE, f"{conf.namespace}/{name}"))
    try:
        return delegate(_config(args, conf, obj, name) if obj is not None else _file(args, conf, name))
    except CniError:
        raise CniError(f"getNetDelegate: cannot find network: {name}") from None


def _default_of(args: Args, conf: Conf, pod: Obj, annotation: str) -> Generator[Command, None, Delegate]:
    try:
        elements = parse(annotation, conf.namespace)
    except CniError as error:
        raise CniError(f"failed to parse CRD object: {error.msg}") from None
    if len(elements) > 1:
        raise CniError(f"more than one default network is specified: {annotation}")
    return (yield from _of_object(args, conf, elements[0], pod))._replace(master=True)


def _of_object(args: Args, conf: Conf, element: Element, pod: Obj) -> Generator[Command, None, Delegate]:
    """getKubernetesDelegate(): the NetworkAttachmentDefinition that an element names. Raises CniError."""
    doing = "failed getting the delegate: "
    name, namespace = element.get("name", ""), element["namespace"]
    obj: Obj | None = args.world.get(("api", RESOURCE, f"{namespace}/{name}"))
    if obj is None:
        there = ("k8s.cni.cncf.io", "NetworkAttachmentDefinition") in kinds.custom(args.world)
        missing = f"the server could not find the requested resource (get {RESOURCE} {name})"
        why = f'{RESOURCE} "{name}" not found' if there else missing
        words = f"cannot find a network-attachment-definition ({name}) in namespace ({namespace}): {why}"
        yield event(args.world, pod, "NoNetworkFound", words, "multus", "Warning")
        raise CniError(f"{doing}getKubernetesDelegate: {words}")
    try:
        return delegate(_config(args, conf, obj, name), element)
    except CniError as error:
        raise CniError(f"{doing}{error.msg}") from None


def _config(args: Args, conf: Conf, obj: Obj, name: str) -> str:
    """GetCNIConfig(): the object's configuration, which has the object's name where it has none of its own."""
    text: str = (obj.get("spec") or {}).get("config") or ""
    if not text:
        try:
            return _file(args, conf, name)
        except CniError as error:
            raise CniError(f"GetCNIConfig: err in GetCNIConfigFromFile: {error.msg}") from None
    try:
        config = json.loads(text)
        config = {**config, "name": config.get("name") or name}
    except (ValueError, TypeError, AttributeError) as error:
        words = skel.go_words(text, error) if isinstance(error, ValueError) else "json: cannot unmarshal"
        said = f"failed to unmarshal Spec.Config: {words}"
        raise CniError(f"GetCNIConfig: err in getCNIConfigFromSpec: {said}") from None
    return json.dumps(config)


def _file(args: Args, conf: Conf, name: str) -> str:
    """GetCNIConfigFromFile(): the file whose network has this name."""
    files = args.world.table(args.node, "file")
    paths = netconf.paths(files, conf.conf_dir, ENDINGS)
    if not paths:
        raise CniError(f"No networks found in {conf.conf_dir}")
    for path in paths:
        if netconf.read(files, path).name == name:
            return str(files[path])
    raise CniError(f"no network available in the name {name} in cni dir {conf.conf_dir}")


def _isolated(conf: Conf, namespace: str, element: Element) -> None:
    target = element["namespace"]
    if conf.isolated and target not in (namespace, *conf.shared_namespaces):
        raise CniError(
            "namespace isolation enabled, annotation violates permission, pod is in namespace "
            f"{namespace} but refers to target namespace {target}"
        )


def _with_gateways(found: list[Delegate], doing: str) -> list[Delegate]:
    """CheckGatewayConfig(): where one network has a ``default-route``, the others lose theirs. Raises CniError."""
    if all(one.gateways is None for one in found):
        return found
    asked = [":" in address for one in found for address in one.gateways or ()]
    if max(asked.count(False), asked.count(True)) > 1:
        raise CniError(f"{doing}multus does not support ECMP for default-route")
    return [one._replace(filtered=not one.gateways) for one in found]
