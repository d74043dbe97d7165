"""What the API server refuses in a Pod, and in every pod template.

pkg/apis/core/validation: names and ports of containers, probes, volumes and who mounts them, policies with a
few possible words. A Pod's spec may hardly be changed: one replaces the Pod.

Left out: security contexts, resource claims, affinity terms (their types are checked, not their sense).
"""

from __future__ import annotations

import re
from typing import Any

from k8slearn.api import names, quantity
from k8slearn.api.status import bad, banned, duplicate, required, unsupported

Obj = dict[str, Any]

_WORDS = {
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "dnsPolicy": ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
}
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_PULLS = ("Always", "IfNotPresent", "Never")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_FIELDS_OF_VOLUMES = (
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
)
_KEYED = re.compile(r"metadata\.(labels|annotations)\['[^']+'\]")
_MAY_CHANGE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates")


def pod(obj: Obj) -> list[str]:
    debug = obj["spec"].get("ephemeralContainers")
    return spec(obj["spec"], "spec") + (
        [banned("spec.ephemeralContainers", "cannot be set on create")] if debug else []
    )


def spec(wanted: Obj, path: str) -> list[str]:
    """A pod's spec, or a template's (then `path` is ``spec.template.spec``)."""
    wrong = _containers(wanted, path) + _volumes(wanted.get("volumes") or [], f"{path}.volumes")
    for field, words in _WORDS.items():
        if wanted[field] not in words:
            wrong.append(unsupported(f"{path}.{field}", wanted[field], words))
    if wanted["terminationGracePeriodSeconds"] < 0:
        wrong.append(
            bad(f"{path}.terminationGracePeriodSeconds", wanted["terminationGracePeriodSeconds"], _NOT_NEGATIVE)
        )
    for field in ("hostname", "subdomain"):
        if wanted.get(field):
            wrong += [bad(f"{path}.{field}", wanted[field], why) for why in names.label(wanted[field])]
    if wanted.get("nodeName"):
        wrong += [bad(f"{path}.nodeName", wanted["nodeName"], why) for why in names.subdomain(wanted["nodeName"])]
    if wanted["dnsPolicy"] == "None" and not (wanted.get("dnsConfig") or {}).get("nameservers"):
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        wrong.append(required(f"{path}.dnsConfig.nameservers", why))
    for i, alias in enumerate(wanted.get("hostAliases") or ()):
        wrong += [bad(f"{path}.hostAliases[{i}].ip", alias.get("ip", ""), w) for w in names.ip(alias.get("ip", ""))]
    return wrong


_NOT_NEGATIVE = "must be greater than or equal to 0"


def _containers(wanted: Obj, path: str) -> list[str]:
    if not wanted.get("containers"):
        return [required(f"{path}.containers")]
    mounted = {v.get("name") for v in wanted.get("volumes") or ()}
    wrong: list[str] = []
    seen: set[str] = set()
    for field in ("containers", "initContainers"):
        for i, container in enumerate(wanted.get(field) or ()):
            here = f"{path}.{field}[{i}]"
            wrong += _container(container, here, mounted, bool(wanted.get("hostNetwork")))
            if container.get("name") in seen:
                wrong.append(duplicate(f"{here}.name", container["name"]))
            seen.add(container.get("name", ""))
    return wrong + _host_ports(wanted, path)


def _container(container: Obj, path: str, volumes: set[Any], host_network: bool) -> list[str]:
    name = container.get("name", "")
    wrong = [bad(f"{path}.name", name, why) for why in names.label(name)] if name else [required(f"{path}.name")]
    if not container.get("image"):
        wrong.append(required(f"{path}.image"))
    elif container["image"] != container["image"].strip():
        wrong.append(bad(f"{path}.image", container["image"], "must not have leading or trailing whitespace"))
    if container["imagePullPolicy"] not in _PULLS:
        wrong.append(unsupported(f"{path}.imagePullPolicy", container["imagePullPolicy"], _PULLS))
    wrong += _ports(container.get("ports") or [], f"{path}.ports", host_network)
    for i, variable in enumerate(container.get("env") or ()):
        wrong += _variable(variable, f"{path}.env[{i}]")
    wrong += _mounts(container.get("volumeMounts") or [], f"{path}.volumeMounts", volumes)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            wrong += _probe(container[probe], f"{path}.{probe}", probe)
    return wrong + _resources(container.get("resources") or {}, f"{path}.resources")


def _ports(ports: list[Obj], path: str, host_network: bool) -> list[str]:
    wrong: list[str] = []
    seen: set[str] = set()
    for i, port in enumerate(ports):
        here = f"{path}[{i}]"
        name = port.get("name", "")
        if name:
            wrong += [bad(f"{here}.name", name, why) for why in names.port_name(name)]
            if name in seen:
                wrong.append(duplicate(f"{here}.name", name))
            seen.add(name)
        number = port.get("containerPort", 0)
        wrong += (
            [bad(f"{here}.containerPort", number, why) for why in names.port_number(number)]
            if number
            else [required(f"{here}.containerPort")]
        )
        wrong += [bad(f"{here}.hostPort", port["hostPort"], w) for w in names.port_number(port.get("hostPort") or 1)]
        if host_network and port.get("hostPort") and port["hostPort"] != number:
            wrong.append(
                bad(f"{here}.hostPort", port["hostPort"], "must match `containerPort` when `hostNetwork` is true")
            )
        if port["protocol"] not in _PROTOCOLS:
            wrong.append(unsupported(f"{here}.protocol", port["protocol"], _PROTOCOLS))
    return wrong


def _host_ports(wanted: Obj, path: str) -> list[str]:
    """No two containers of a pod may have the same port of the host (their own ports may clash: only Linux says no)."""
    seen: set[tuple[Any, ...]] = set()
    wrong = []
    for i, container in enumerate(wanted["containers"]):
        for j, port in enumerate(container.get("ports") or ()):
            if port.get("hostPort"):
                found = (port["protocol"], port.get("hostIP", ""), port["hostPort"])
                if found in seen:
                    shown = "/".join(map(str, found))
                    wrong.append(duplicate(f"{path}.containers[{i}].ports[{j}].hostPort", shown))
                seen.add(found)
    return wrong


def _variable(variable: Obj, path: str) -> list[str]:
    if not variable.get("name"):
        return [required(f"{path}.name")]
    if "=" in variable["name"]:
        why = "a valid environment variable name must consist only of printable ASCII characters other than '='"
        return [bad(f"{path}.name", variable["name"], why)]
    if variable.get("valueFrom") is None:
        return []
    return _source(variable["valueFrom"], f"{path}.valueFrom", bool(variable.get("value")))


def _source(source: Obj, path: str, beside_a_value: bool) -> list[str]:
    """Where a variable's value comes from: one place, and that place said in full."""
    given = [kind for kind in _SOURCES if source.get(kind) is not None]
    wrong = []
    for kind in given:
        if kind == "fieldRef":
            wrong += _field(source[kind], f"{path}.fieldRef")
        else:
            needed = "resource" if kind == "resourceFieldRef" else "key"
            wrong += [] if source[kind].get(needed) else [required(f"{path}.{kind}.{needed}")]
    if not given:
        wrong.append(bad(path, "", "must specify one of: " + " or ".join(f"`{kind}`" for kind in _SOURCES)))
    elif beside_a_value:
        wrong.append(bad(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        wrong.append(bad(path, "", "may not have more than one field specified at a time"))
    return wrong


def _field(reference: Obj, path: str) -> list[str]:
    """A field of the pod itself: validateObjectFieldSelector after ConvertDownwardAPIFieldLabel."""
    field = reference.get("fieldPath")
    if not field:
        return [required(f"{path}.fieldPath")]
    if field in _FIELDS_OF_VOLUMES:
        return [unsupported(f"{path}.fieldPath", field, _FIELDS)]
    if field not in _FIELDS and not _KEYED.fullmatch(field):
        return [bad(f"{path}.fieldPath", field, f"error converting fieldPath: field label not supported: {field}")]
    return []


def _mounts(mounts: list[Obj], path: str, volumes: set[Any]) -> list[str]:
    wrong = []
    seen: set[str] = set()
    for i, mount in enumerate(mounts):
        here = f"{path}[{i}]"
        if not mount.get("name"):
            wrong.append(required(f"{here}.name"))
        elif mount["name"] not in volumes:
            wrong.append(f'{here}.name: Not found: "{mount["name"]}"')
        where = mount.get("mountPath", "")
        if not where:
            wrong.append(required(f"{here}.mountPath"))
        elif where in seen:
            wrong.append(bad(f"{here}.mountPath", where, "must be unique"))
        seen.add(where)
    return wrong


def _volumes(volumes: list[Obj], path: str) -> list[str]:
    wrong = []
    seen: set[str] = set()
    for i, volume in enumerate(volumes):
        name = volume.get("name", "")
        if not name:
            wrong.append(required(f"{path}[{i}].name"))
        elif name in seen:
            wrong.append(duplicate(f"{path}[{i}].name", name))
        else:
            wrong += [bad(f"{path}[{i}].name", name, why) for why in names.label(name)]
        seen.add(name)
        sources = [k for k in volume if k != "name"]
        wrong += [banned(f"{path}[{i}].{s}", "may not specify more than 1 volume type") for s in sources[1:]]
    return wrong


def _probe(probe: Obj, path: str, which: str) -> list[str]:
    handlers = [h for h in _HANDLERS if h in probe]
    wrong = [] if handlers else [required(path, "must specify a handler type")]
    wrong += [banned(f"{path}.{h}", "may not specify more than 1 handler type") for h in handlers[1:]]
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(field, 0) < 0:
            wrong.append(bad(f"{path}.{field}", probe[field], _NOT_NEGATIVE))
    if which != "readinessProbe" and probe["successThreshold"] != 1:
        wrong.append(bad(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    for handler in ("httpGet", "tcpSocket"):
        if handler in probe:
            wrong += port_or_name(probe[handler].get("port"), f"{path}.{handler}.port")
    return wrong


def port_or_name(port: Any, path: str) -> list[str]:
    """A port's number, or the name of a container port."""
    if port is None:
        port = 0
    why = names.port_number(port) if isinstance(port, int) else names.port_name(port)
    return [bad(path, port, w) for w in why]


def _resources(resources: Obj, path: str) -> list[str]:
    wrong = []
    limits = resources.get("limits") or {}
    for field in ("limits", "requests"):
        for name, amount in (resources.get(field) or {}).items():
            if quantity.parse(amount) < 0:
                wrong.append(bad(f"{path}.{field}[{name}]", amount, _NOT_NEGATIVE))
    for name, amount in (resources.get("requests") or {}).items():
        if name in limits and quantity.parse(amount) > quantity.parse(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            wrong.append(bad(f"{path}.requests", amount, why))
    return wrong


_MOSTLY = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_changed(new: Obj, old: Obj) -> list[str]:
    """Only a node's assignment, images and a few numbers may change after a Pod was made."""
    if _fixed(new["spec"]) == _fixed(old["spec"]):
        return []
    return [banned("spec", _MOSTLY)]


def _fixed(wanted: Obj) -> Obj:
    """The spec without what may change."""
    kept = {k: v for k, v in wanted.items() if k not in _MAY_CHANGE}
    for field in ("containers", "initContainers"):
        if field in kept:
            kept[field] = [{k: v for k, v in c.items() if k != "image"} for c in kept[field]]
    return kept
