"""The columns of ``kubectl get``: for each kind, what stands over a column and how its cell comes out of an object.

In life the API server prints the cells (it sends a *Table*) and kubectl only lays them out: so that an old
kubectl shows a new kind properly. A kind that is not here has NAME and AGE.

Left out: the volume attributes classes of PersistentVolumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from k8slearn.api import seconds, selectors
from k8slearn.api.kinds import Kind
from k8slearn.journal import World
from k8slearn.shell.kubectl import ages, jsonpath, podstatus

Obj = dict[str, Any]
Value = Callable[[World, Obj], str]


class Column(NamedTuple):
    """One column; `wide`: only with ``-o wide``."""

    header: str
    value: Value
    wide: bool = False


def of(world: World, kind: Kind) -> tuple[Column, ...]:
    """The columns of a kind."""
    if kind.table != kind.plural:
        return _custom(world, kind)
    return COLUMNS.get(kind.kind, (NAME, AGE))


def at(*path: str, default: Any = "") -> Value:
    """The value at a path of fields, as text."""

    def value(world: World, obj: Obj) -> str:
        found: Any = obj
        for field in path:
            found = found.get(field) if isinstance(found, dict) else None
        return str(default if found is None else found)

    return value


def counted(*path: str) -> Value:
    """How many there are at a path."""

    def value(world: World, obj: Obj) -> str:
        found: Any = obj
        for field in path:
            found = found.get(field) if isinstance(found, dict) else None
        return str(len(found or ()))

    return value


def _name(world: World, obj: Obj) -> str:
    return str(obj["metadata"]["name"])


NAME = Column("NAME", _name)
AGE = Column("AGE", ages.age)
CREATED = Column("CREATED AT", at("metadata", "creationTimestamp"))


def _template(obj: Obj) -> list[Obj]:
    outer: Obj = obj["spec"]
    spec: Obj = (outer.get("jobTemplate") or {}).get("spec", outer)
    pod: Obj = spec.get("template", {}).get("spec", {})
    return pod.get("containers") or []


def _containers(world: World, obj: Obj) -> str:
    return ",".join(c["name"] for c in _template(obj))


def _images(world: World, obj: Obj) -> str:
    return ",".join(c.get("image", "") for c in _template(obj))


def _selector(world: World, obj: Obj) -> str:
    return selectors.written(obj["spec"].get("selector"))


CONTAINERS = (Column("CONTAINERS", _containers, True), Column("IMAGES", _images, True))
SELECTOR = Column("SELECTOR", _selector, True)


def _ready(world: World, pod: Obj) -> str:
    return podstatus.summary(world, pod).ready


def _status(world: World, pod: Obj) -> str:
    return podstatus.summary(world, pod).status


def _restarts(world: World, pod: Obj) -> str:
    return podstatus.summary(world, pod).restarts


def _gates(world: World, pod: Obj) -> str:
    gates = pod["spec"].get("readinessGates") or ()
    if not gates:
        return "<none>"
    holds = {c["type"] for c in (pod.get("status") or {}).get("conditions") or () if c["status"] == "True"}
    return f"{sum(g['conditionType'] in holds for g in gates)}/{len(gates)}"


POD = (
    NAME,
    Column("READY", _ready),
    Column("STATUS", _status),
    Column("RESTARTS", _restarts),
    AGE,
    Column("IP", at("status", "podIP", default="<none>"), True),
    Column("NODE", at("spec", "nodeName", default="<none>"), True),
    Column("NOMINATED NODE", at("status", "nominatedNodeName", default="<none>"), True),
    Column("READINESS GATES", _gates, True),
)


def external_ip(service: Obj) -> str:
    """EXTERNAL-IP: what the load balancer has, or the name, or the addresses that the owner claims."""
    spec = service["spec"]
    more = list(spec.get("externalIPs") or ())
    if spec["type"] == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec["type"] == "LoadBalancer":
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        given = [i.get("ip") or i.get("hostname") or "" for i in ingress] + more
        return ",".join(given) or "<pending>"
    return ",".join(more) or "<none>"


def _service_ports(world: World, service: Obj) -> str:
    ports = service["spec"].get("ports") or ()
    return ",".join(_service_port(p) for p in ports) or "<none>"


def _service_port(port: Obj) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port['protocol']}"


def _pairs(world: World, service: Obj) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted((service["spec"].get("selector") or {}).items())) or "<none>"


SERVICE = (
    NAME,
    Column("TYPE", at("spec", "type")),
    Column("CLUSTER-IP", at("spec", "clusterIP", default="<none>")),
    Column("EXTERNAL-IP", lambda world, service: external_ip(service)),
    Column("PORT(S)", _service_ports),
    AGE,
    Column("SELECTOR", _pairs, True),
)


def _of_wanted(field: str) -> Value:
    def value(world: World, obj: Obj) -> str:
        return f"{(obj.get('status') or {}).get(field, 0)}/{obj['spec'].get('replicas', 1)}"

    return value


DEPLOYMENT = (
    NAME,
    Column("READY", _of_wanted("readyReplicas")),
    Column("UP-TO-DATE", at("status", "updatedReplicas", default=0)),
    Column("AVAILABLE", at("status", "availableReplicas", default=0)),
    AGE,
    *CONTAINERS,
    SELECTOR,
)
REPLICAS = (
    NAME,
    Column("DESIRED", at("spec", "replicas", default=0)),
    Column("CURRENT", at("status", "replicas", default=0)),
    Column("READY", at("status", "readyReplicas", default=0)),
    AGE,
    *CONTAINERS,
)


def _node_selector(world: World, obj: Obj) -> str:
    pairs = obj["spec"]["template"]["spec"].get("nodeSelector") or {}
    return ",".join(f"{k}={v}" for k, v in sorted(pairs.items())) or "<none>"


DAEMONSET = (
    NAME,
    Column("DESIRED", at("status", "desiredNumberScheduled", default=0)),
    Column("CURRENT", at("status", "currentNumberScheduled", default=0)),
    Column("READY", at("status", "numberReady", default=0)),
    Column("UP-TO-DATE", at("status", "updatedNumberScheduled", default=0)),
    Column("AVAILABLE", at("status", "numberAvailable", default=0)),
    Column("NODE SELECTOR", _node_selector),
    AGE,
    *CONTAINERS,
    SELECTOR,
)


def _node_status(world: World, node: Obj) -> str:
    ready = next((c for c in (node.get("status") or {}).get("conditions") or () if c["type"] == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"]
    return ",".join([*words, *(["SchedulingDisabled"] if (node.get("spec") or {}).get("unschedulable") else [])])


def roles(node: Obj) -> str:
    """A node's roles are labels: ``node-role.kubernetes.io/control-plane``."""
    prefix = "node-role.kubernetes.io/"
    having = selectors.labels(node)
    found = {k.removeprefix(prefix) for k in having if k.startswith(prefix)} | {having.get("kubernetes.io/role", "")}
    return ",".join(sorted(found - {""})) or "<none>"


def _address(kind: str) -> Value:
    def value(world: World, node: Obj) -> str:
        addresses = (node.get("status") or {}).get("addresses") or ()
        return next((a["address"] for a in addresses if a["type"] == kind), "<none>")

    return value


NODE = (
    NAME,
    Column("STATUS", _node_status),
    Column("ROLES", lambda world, node: roles(node)),
    AGE,
    Column("VERSION", at("status", "nodeInfo", "kubeletVersion")),
    Column("INTERNAL-IP", _address("InternalIP"), True),
    Column("EXTERNAL-IP", _address("ExternalIP"), True),
    Column("OS-IMAGE", at("status", "nodeInfo", "osImage", default="<unknown>"), True),
    Column("KERNEL-VERSION", at("status", "nodeInfo", "kernelVersion", default="<unknown>"), True),
    Column("CONTAINER-RUNTIME", at("status", "nodeInfo", "containerRuntimeVersion", default="<unknown>"), True),
)


def some(words: list[str]) -> str:
    """At most three, and how many more: ``10.244.1.2,10.244.1.3,10.244.1.4 + 2 more...``."""
    more = f" + {len(words) - 3} more..." if len(words) > 3 else ""
    return ",".join(words[:3]) + more


def _slice_ports(world: World, piece: Obj) -> str:
    ports = piece.get("ports")
    if not ports:
        return "<unset>"
    return some([str(p.get("port", "*")) for p in ports])


def _slice_endpoints(world: World, piece: Obj) -> str:
    addresses = [a for e in piece.get("endpoints") or () for a in e.get("addresses") or ()]
    return some(addresses) or "<unset>"


def _endpoints(world: World, endpoints: Obj) -> str:
    found = []
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or [{}]:
            found += [f"{a['ip']}:{port['port']}" if port else a["ip"] for a in subset.get("addresses") or ()]
    return some(found) or "<none>"


def _event_object(world: World, event: Obj) -> str:
    about = event["involvedObject"]
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_source(world: World, event: Obj) -> str:
    source = event.get("source") or {}
    return ", ".join(w for w in (source.get("component", ""), source.get("host", "")) if w)


def _moment(field: str) -> Value:
    def value(world: World, event: Obj) -> str:
        return ages.since(world, event.get(field))

    return value


EVENT = (
    Column("LAST SEEN", _moment("lastTimestamp")),
    Column("TYPE", at("type")),
    Column("REASON", at("reason")),
    Column("OBJECT", _event_object),
    Column("SUBOBJECT", at("involvedObject", "fieldPath"), True),
    Column("SOURCE", _event_source, True),
    Column("MESSAGE", at("message")),
    Column("FIRST SEEN", _moment("firstTimestamp"), True),
    Column("COUNT", at("count", default=0), True),
    Column("NAME", _name, True),
)


def _job_done(world: World, job: Obj) -> str:
    done = (job.get("status") or {}).get("succeeded", 0)
    wanted = job["spec"].get("completions")
    return f"{done}/{wanted}" if wanted is not None else f"{done}/1 of {job['spec'].get('parallelism', 1)}"


def _job_status(world: World, job: Obj) -> str:
    conditions = {c["type"] for c in (job.get("status") or {}).get("conditions") or () if c["status"] == "True"}
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    order = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")
    return next((c for c in order if c in conditions), "Running")


def _job_duration(world: World, job: Obj) -> str:
    status = job.get("status") or {}
    if not status.get("startTime"):
        return ""
    if not status.get("completionTime"):
        return ages.since(world, status["startTime"])
    return ages.duration(seconds(status["completionTime"]) - seconds(status["startTime"]))


JOB = (
    NAME,
    Column("STATUS", _job_status),
    Column("COMPLETIONS", _job_done),
    Column("DURATION", _job_duration),
    AGE,
    *CONTAINERS,
    SELECTOR,
)
CRONJOB = (
    NAME,
    Column("SCHEDULE", at("spec", "schedule")),
    Column("TIMEZONE", at("spec", "timeZone", default="<none>")),
    Column("SUSPEND", lambda world, job: "True" if job["spec"].get("suspend") else "False"),
    Column("ACTIVE", counted("status", "active")),
    Column("LAST SCHEDULE", lambda world, job: _last(world, job)),
    AGE,
    *CONTAINERS,
    SELECTOR,
)


def _last(world: World, job: Obj) -> str:
    when = (job.get("status") or {}).get("lastScheduleTime")
    return ages.since(world, when) if when else "<none>"


def _hosts(world: World, ingress: Obj) -> str:
    hosts = [r["host"] for r in ingress["spec"].get("rules") or () if r.get("host")]
    return some(hosts) or "*"


def _pod_selector(world: World, policy: Obj) -> str:
    return selectors.written(policy["spec"].get("podSelector"))


def _role(world: World, binding: Obj) -> str:
    reference = binding.get("roleRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _modes(world: World, obj: Obj) -> str:
    where = obj["spec"] if obj["kind"] == "PersistentVolume" else obj.get("status") or {}
    return ",".join(_MODES.get(m, m) for m in where.get("accessModes") or ())


def _claim(world: World, volume: Obj) -> str:
    claim = volume["spec"].get("claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _flag(*path: str) -> Value:
    read = at(*path, default="false")

    def value(world: World, obj: Obj) -> str:
        return read(world, obj).lower()

    return value


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "Pod": POD,
    "Service": SERVICE,
    "Deployment": DEPLOYMENT,
    "ReplicaSet": (*REPLICAS, SELECTOR),
    "ReplicationController": (*REPLICAS, Column("SELECTOR", _pairs, True)),
    "DaemonSet": DAEMONSET,
    "StatefulSet": (NAME, Column("READY", _of_wanted("readyReplicas")), AGE, *CONTAINERS),
    "Node": NODE,
    "Namespace": (NAME, Column("STATUS", at("status", "phase")), AGE),
    "ConfigMap": (NAME, Column("DATA", counted("data")), AGE),
    "Secret": (NAME, Column("TYPE", at("type")), Column("DATA", counted("data")), AGE),
    "ServiceAccount": (NAME, Column("SECRETS", counted("secrets")), AGE),
    "Endpoints": (NAME, Column("ENDPOINTS", _endpoints), AGE),
    "EndpointSlice": (
        NAME,
        Column("ADDRESSTYPE", at("addressType")),
        Column("PORTS", _slice_ports),
        Column("ENDPOINTS", _slice_endpoints),
        AGE,
    ),
    "Event": EVENT,
    "Job": JOB,
    "CronJob": CRONJOB,
    "NetworkPolicy": (NAME, Column("POD-SELECTOR", _pod_selector), AGE),
    "Ingress": (
        NAME,
        Column("CLASS", at("spec", "ingressClassName", default="<none>")),
        Column("HOSTS", _hosts),
        Column("ADDRESS", lambda world, ingress: ",".join(_balancer(ingress))),
        Column("PORTS", lambda world, ingress: "80, 443" if ingress["spec"].get("tls") else "80"),
        AGE,
    ),
    "IngressClass": (
        NAME,
        Column("CONTROLLER", at("spec", "controller")),
        Column("PARAMETERS", at("spec", "parameters", "name", default="<none>")),
        AGE,
    ),
    "PersistentVolumeClaim": (
        NAME,
        Column("STATUS", at("status", "phase")),
        Column("VOLUME", at("spec", "volumeName")),
        Column("CAPACITY", at("status", "capacity", "storage")),
        Column("ACCESS MODES", _modes),
        Column("STORAGECLASS", at("spec", "storageClassName")),
        Column("VOLUMEATTRIBUTESCLASS", at("spec", "volumeAttributesClassName", default="<unset>")),
        AGE,
        Column("VOLUMEMODE", at("spec", "volumeMode", default="<unset>"), True),
    ),
    "PersistentVolume": (
        NAME,
        Column("CAPACITY", at("spec", "capacity", "storage")),
        Column("ACCESS MODES", _modes),
        Column("RECLAIM POLICY", at("spec", "persistentVolumeReclaimPolicy")),
        Column("STATUS", at("status", "phase")),
        Column("CLAIM", _claim),
        Column("STORAGECLASS", at("spec", "storageClassName")),
        Column("VOLUMEATTRIBUTESCLASS", at("spec", "volumeAttributesClassName", default="<unset>")),
        Column("REASON", at("status", "reason")),
        AGE,
        Column("VOLUMEMODE", at("spec", "volumeMode", default="<unset>"), True),
    ),
    "StorageClass": (
        NAME,
        Column("PROVISIONER", at("provisioner")),
        Column("RECLAIMPOLICY", at("reclaimPolicy")),
        Column("VOLUMEBINDINGMODE", at("volumeBindingMode")),
        Column("ALLOWVOLUMEEXPANSION", _flag("allowVolumeExpansion")),
        AGE,
    ),
    "HorizontalPodAutoscaler": (
        NAME,
        Column(
            "REFERENCE", lambda world, hpa: "/".join(hpa["spec"]["scaleTargetRef"].get(k, "") for k in ("kind", "name"))
        ),
        Column("TARGETS", lambda world, hpa: "<unknown>" if hpa["spec"].get("metrics") else "<none>"),
        Column("MINPODS", at("spec", "minReplicas", default="<unset>")),
        Column("MAXPODS", at("spec", "maxReplicas", default=0)),
        Column("REPLICAS", at("status", "currentReplicas", default=0)),
        AGE,
    ),
    "PodDisruptionBudget": (
        NAME,
        Column("MIN AVAILABLE", at("spec", "minAvailable", default="N/A")),
        Column("MAX UNAVAILABLE", at("spec", "maxUnavailable", default="N/A")),
        Column("ALLOWED DISRUPTIONS", at("status", "disruptionsAllowed", default=0)),
        AGE,
    ),
    "RoleBinding": (NAME, Column("ROLE", _role), AGE),
    "ClusterRoleBinding": (NAME, Column("ROLE", _role), AGE),
    **dict.fromkeys(("Role", "ClusterRole", "CustomResourceDefinition", "LimitRange"), (NAME, CREATED)),
    "Lease": (NAME, Column("HOLDER", at("spec", "holderIdentity")), AGE),
    "PriorityClass": (
        NAME,
        Column("VALUE", at("value", default=0)),
        Column("GLOBAL-DEFAULT", _flag("globalDefault")),
        AGE,
        Column("PREEMPTIONPOLICY", at("preemptionPolicy")),
    ),
    "ServiceCIDR": (NAME, Column("CIDRS", lambda world, obj: ",".join(obj["spec"].get("cidrs") or ())), AGE),
    "IPAddress": (
        NAME,
        Column("PARENTREF", lambda world, obj: "/".join(str(v) for v in _parent(obj) if v)),
    ),
}


def _parent(obj: Obj) -> tuple[str, str, str]:
    parent = obj["spec"].get("parentRef") or {}
    return parent.get("resource", ""), parent.get("namespace", ""), parent.get("name", "")


def _balancer(obj: Obj) -> list[str]:
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return [i.get("ip") or i.get("hostname") or "" for i in ingress]


def _custom(world: World, kind: Kind) -> tuple[Column, ...]:
    """A custom resource says its own columns (``additionalPrinterColumns``)."""
    definition = world.get(("api", "customresourcedefinitions", kind.resource)) or {"spec": {"versions": []}}
    version: Obj = next((v for v in definition["spec"]["versions"] if v.get("name") == kind.version), {})
    extra = version.get("additionalPrinterColumns")
    if not isinstance(extra, list) or not extra:
        return (NAME, AGE)
    return (NAME, *(_printer(c) for c in extra if isinstance(c, dict)))


def _printer(column: Obj) -> Column:
    path, date = str(column.get("jsonPath", "")), column.get("type") == "date"

    def value(world: World, obj: Obj) -> str:
        found = jsonpath.first(path, obj)
        return ages.since(world, found) if date and isinstance(found, str) else jsonpath.text(found)

    return Column(str(column.get("name", "")).upper(), value, bool(column.get("priority", 0)))
