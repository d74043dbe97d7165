"""Which further networks a pod asks for: its annotation ``k8s.v1.cni.cncf.io/networks``, in one of two forms.

Short, names with commas between them: ``[NAMESPACE/]NAME[@INTERFACE]``. Or JSON, where more can be asked for::

    storage, ops/control@ctl0
    [{"name": "storage", "ips": ["10.9.0.5/24"], "mac": "02:00:00:00:00:05", "default-route": ["10.9.0.1"]}]

(The Network Plumbing Working Group's specification, 4.1; multus-cni pkg/k8sclient: parsePodNetworkAnnotation.)

Left out: ``infiniband-guid`` and ``deviceID`` (refused in a sentence), ``interfaceRequest`` of before version 3.2.
"""

from __future__ import annotations

import json
import re
from typing import Any

from k8slearn.cni import decode
from k8slearn.cni.decode import INT, IP, OBJECT, STRING, STRINGS, Items, Kind, Struct, Wrong
from k8slearn.cni.skel import go_words
from k8slearn.cni.spec import CniError
from k8slearn.cni.veth import MAC

NETWORKS, DEFAULT_NETWORK = "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
"""The annotations: further networks, and another default network."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_HERE = "parsePodNetworkAnnotation: "
_PORT: dict[str, Kind] = {"hostPort": INT, "containerPort": INT, "protocol": STRING, "hostIP": STRING}
_RATE: dict[str, Kind] = {f"{way}{what}": INT for way in ("ingress", "egress") for what in ("Rate", "Burst")}
_ELEMENT = Struct(
    "types.NetworkSelectionElement",
    {
        **dict.fromkeys(("name", "namespace", "mac", "interface", "infiniband-guid", "deviceID"), STRING),
        "ips": STRINGS,
        "portMappings": Items(Struct("types.PortMapEntry", _PORT), "[]*types.PortMapEntry"),
        "bandwidth": Struct("types.BandwidthEntry", _RATE),
        "cni-args": OBJECT,
        "default-route": Items(IP, "[]net.IP"),
    },
)
_ELEMENTS = Items(_ELEMENT, "[]*types.NetworkSelectionElement")
Element = dict[str, Any]


def parse(annotation: str, namespace: str) -> list[Element]:
    """The elements, each with its name and namespace (`namespace` where it says none). Raises CniError."""
    written = any(letter in annotation for letter in '[{"')
    found = _json(annotation) if written else [_short(item.strip()) for item in annotation.split(",")]
    for element in found:
        element["namespace"] = element.get("namespace") or namespace
        _check(element)
    return found


def _json(text: str) -> list[Element]:
    try:
        return [element or {} for element in decode.decode(json.loads(text), _ELEMENTS) or ()]
    except (ValueError, RecursionError) as error:
        words = go_words(text, error)
    except Wrong as wrong:
        words = str(wrong)
    what = "failed to parse pod Network Attachment Selection Annotation JSON format"
    raise CniError(f"{_HERE}{what}: {words}")


def _short(text: str) -> Element:
    """``namespace/name@interface`` (parsePodNetworkObjectName)."""
    doing = f"{_HERE}parsePodNetworkObjectName: "
    namespace, _, name = text.rpartition("/")
    if "/" in namespace:
        raise CniError(f"{doing}Invalid network object (failed at '/')")
    name, *interface = name.split("@")
    if len(interface) > 1:
        raise CniError(f"{doing}Invalid network object (failed at '@')")
    namespace, name, ifname = namespace.strip(), name.strip(), "".join(interface).strip()
    wrong = next((item for item in (namespace, name) if item and not _NAME.match(item)), None)
    if wrong is not None:
        raise CniError(
            f"{doing}Failed to parse: one or more items did not match comma-delimited format (must consist of lower "
            f"case alphanumeric characters). Must start and end with an alphanumeric character), mismatch @ '{wrong}'"
        )
    if len(ifname) > 15 or re.search(r"[\s/]", ifname):
        words = "must be less than 15 chars and not contain '/' or spaces"
        raise CniError(f"{doing}Failed to parse interface name: {words}. interface name '{ifname}'")
    return {"name": name, "namespace": namespace, "interface": ifname}


def _check(element: Element) -> None:
    mac = element.get("mac")
    if mac and not MAC.match(mac):
        raise CniError(f"{_HERE}failed to mac: address {mac}: invalid MAC address")
    for field in ("infiniband-guid", "deviceID"):
        if element.get(field):
            raise CniError(f"{field} is not modelled here: there are no such devices, leave the field out")
    for address in (text or "" for text in element.get("ips") or ()):
        try:
            (decode.cidr if "/" in address else decode.address)(address)
        except Wrong as wrong:
            said = f'CIDR "{address}": {wrong}' if "/" in address else f'IP address "{address}"'
            raise CniError(f"failed to parse {said}") from None
