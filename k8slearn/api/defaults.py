"""What the API server fills in: the defaults of each kind, and what its built-in admission adds to a Pod.

``kubectl get -o yaml`` shows far more than was applied: Go functions ``SetDefaults_…`` (pkg/apis/…/v1/defaults.go)
wrote the rest. Ours take the freshly decoded copy and fill it in place: nobody else has seen it yet.

Left out: limits from LimitRanges, storage classes, priority classes, runtime classes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from k8slearn.api import quantity
from k8slearn.journal import digest

Obj = dict[str, Any]

NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""The alphabet of generated names: no vowels, so that no word is ever spelled."""

_HAVE_SPEC = {"Ingress", "IngressClass", "PodDisruptionBudget", "Lease", "ServiceCIDR", "IPAddress", "CSIDriver",
              "HorizontalPodAutoscaler", "LimitRange", "ResourceQuota", "CronJob", "Node"}  # fmt: skip
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_POD_SPEC = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a pod that only shows a node's static pod: its value is that pod's uid there."""
_TOLERATIONS = [
    {"effect": "NoExecute", "key": f"node.kubernetes.io/{what}", "operator": "Exists", "tolerationSeconds": 300}
    for what in ("not-ready", "unreachable")
]


def fill(obj: Obj) -> None:
    """Write the defaults of its kind into a fresh object. A Go struct has its spec always, be it empty."""
    if obj["kind"] in _HAVE_SPEC:
        obj.setdefault("spec", {})
    _BY_KIND.get(obj["kind"], _nothing)(obj)


def _nothing(obj: Obj) -> None:
    pass


def _set(into: Obj, values: Obj) -> None:
    for key, value in values.items():
        into.setdefault(key, value)


def random_name(*words: object) -> str:
    """Five letters as the API server draws them, derived from the words."""
    number = int(digest("name", *words, length=12), 16)
    return "".join(NAME_LETTERS[number // 27**i % 27] for i in range(5))


def pod_spec(spec: Obj) -> None:
    _set(spec, _POD_SPEC)
    spec.setdefault("securityContext", {})
    if "serviceAccountName" in spec or "serviceAccount" in spec:
        name = spec.get("serviceAccountName") or spec["serviceAccount"]
        spec["serviceAccountName"] = spec["serviceAccount"] = name
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            _container(container, bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: Obj, host_network: bool) -> None:
    _set(container, {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"})
    container.setdefault("resources", {})
    if "imagePullPolicy" not in container:
        container["imagePullPolicy"] = "Always" if _moving(container.get("image", "")) else "IfNotPresent"
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if host_network and "containerPort" in port:
            port.setdefault("hostPort", port["containerPort"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _set(container[name], _PROBE)
            _http_get(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _http_get(hook)
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")


def _moving(image: str) -> bool:
    """An image without a tag, or with ``latest``, may change: it is pulled every time."""
    last = image.rpartition("/")[2]
    return "@" not in last and last.partition(":")[2] in ("", "latest")


def _http_get(handler: Obj) -> None:
    if "httpGet" in handler:
        _set(handler["httpGet"], {"path": "/", "scheme": "HTTP"})


def _volume(volume: Obj) -> None:
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if source in volume:
            volume[source].setdefault("defaultMode", 420)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    if len(volume) == 1:
        volume["emptyDir"] = {}


def _pod(pod: Obj) -> None:
    spec = pod.setdefault("spec", {})
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}


def finish(obj: Obj) -> None:
    """What a valid new object gets that depends on its uid, and the status that it starts with."""
    _FINISH.get(obj["kind"], _nothing)(obj)


def _admit_pod(pod: Obj) -> None:
    """What the admission plugins ServiceAccount, DefaultTolerationSeconds and Priority add to a new Pod. A kubelet's
    mirror of a static pod gets no service account."""
    spec = pod["spec"]
    mirror = MIRROR in (pod["metadata"].get("annotations") or {})
    if not mirror:
        spec.setdefault("serviceAccountName", "default")
        spec["serviceAccount"] = spec["serviceAccountName"]
    _set(spec, {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"})
    having = {t.get("key") for t in spec.get("tolerations") or ()}
    if None not in having:
        extra = [dict(t) for t in _TOLERATIONS if t["key"] not in having]
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *extra]
    if spec.get("automountServiceAccountToken", True) and not mirror:
        _mount_token(pod, spec)
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(spec)}


def _mount_token(pod: Obj, spec: Obj) -> None:
    where = "/var/run/secrets/kubernetes.io/serviceaccount"
    name = f"kube-api-access-{random_name(pod['metadata']['uid'], 'token')}"
    mount = {"mountPath": where, "name": name, "readOnly": True}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        mounts = container.get("volumeMounts") or []
        if all(m.get("mountPath") != where for m in mounts):
            container["volumeMounts"] = [*mounts, mount]
    spec["volumes"] = [*(spec.get("volumes") or ()), {"name": name, "projected": _TOKEN}]


_TOKEN = {
    "defaultMode": 420,
    "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
        {
            "downwardAPI": {
                "items": [{"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}]
            }
        },
    ],
}


def qos_class(spec: Obj) -> str:
    """Guaranteed: every container limits cpu and memory and requests the same; BestEffort: none says anything."""
    resources = [c.get("resources") or {} for c in (*spec.get("containers", ()), *(spec.get("initContainers") or ()))]
    if not any(r.get("limits") or r.get("requests") for r in resources):
        return "BestEffort"
    full = all(
        {"cpu", "memory"} <= set(r.get("limits") or ())
        and all(_same(r["limits"][k], (r.get("requests") or r["limits"]).get(k, "")) for k in ("cpu", "memory"))
        for r in resources
    )
    return "Guaranteed" if full else "Burstable"


def _same(one: str, other: str) -> bool:
    return bool(other) and quantity.parse(one) == quantity.parse(other)


def _service(service: Obj) -> None:
    spec = service.setdefault("spec", {})
    _set(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    if spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", 10800)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if "port" in port:
            port.setdefault("targetPort", port["port"])
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")


def _template(owner: Obj) -> Obj:
    spec: Obj = owner.setdefault("spec", {})
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    pod_spec(template.setdefault("spec", {}))
    return spec


def _deployment(deployment: Obj) -> None:
    spec = _template(deployment)
    _set(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), {"maxUnavailable": "25%", "maxSurge": "25%"})


def _replicaset(replicaset: Obj) -> None:
    _template(replicaset).setdefault("replicas", 1)


def _replication_controller(controller: Obj) -> None:
    spec = _template(controller)
    spec.setdefault("replicas", 1)
    labels = spec["template"]["metadata"].get("labels") or {}
    if labels:
        _set(spec, {"selector": dict(labels)})
        controller["metadata"].setdefault("labels", dict(labels))


def _daemonset(daemonset: Obj) -> None:
    spec = _template(daemonset)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), {"maxUnavailable": 1, "maxSurge": 0})


def _statefulset(statefulset: Obj) -> None:
    spec = _template(statefulset)
    _set(spec, {"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady"})
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    _set(retention, {"whenDeleted": "Retain", "whenScaled": "Retain"})
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    for claim in spec.get("volumeClaimTemplates") or ():
        _set(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}})
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def _job_spec(spec: Obj) -> None:
    _set(spec, {"backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False})
    _set(spec, {"manualSelector": False, "podReplacementPolicy": "TerminatingOrFailed"})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))


def _job(job: Obj) -> None:
    _job_spec(job.setdefault("spec", {}))


def _cronjob(cronjob: Obj) -> None:
    spec = cronjob.setdefault("spec", {})
    _set(spec, {"concurrencyPolicy": "Allow", "suspend": False})
    _set(spec, {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1})
    inner = spec.setdefault("jobTemplate", {}).setdefault("spec", {})
    pod_spec(inner.setdefault("template", {}).setdefault("spec", {}))


def _network_policy(policy: Obj) -> None:
    spec = policy.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _endpoint_slice(piece: Obj) -> None:
    for port in piece.get("ports") or ():
        _set(port, {"name": "", "protocol": "TCP"})


def _endpoints(endpoints: Obj) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _namespace(namespace: Obj) -> None:
    metadata = namespace["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace.setdefault("status", {}).setdefault("phase", "Active")


def _secret(secret: Obj) -> None:
    secret.setdefault("type", "Opaque")
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _claim(claim: Obj) -> None:
    claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    claim.setdefault("status", {}).setdefault("phase", "Pending")


def _volume_object(volume: Obj) -> None:
    spec = volume.setdefault("spec", {})
    _set(spec, {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})
    volume.setdefault("status", {}).setdefault("phase", "Pending")


def _storage_class(storage: Obj) -> None:
    _set(storage, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def _binding(binding: Obj) -> None:
    group = "rbac.authorization.k8s.io"
    binding.setdefault("roleRef", {}).setdefault("apiGroup", group)
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", group)
        else:
            subject.pop("apiGroup", None)


def _autoscaler(autoscaler: Obj) -> None:
    autoscaler.setdefault("spec", {}).setdefault("minReplicas", 1)


def _definition(definition: Obj) -> None:
    spec = definition.setdefault("spec", {})
    spec.setdefault("conversion", {}).setdefault("strategy", "None")
    names = spec.setdefault("names", {})
    if names.get("kind"):
        _set(names, {"singular": names["kind"].lower(), "listKind": names["kind"] + "List"})


def _balanced(obj: Obj) -> None:
    obj["status"] = {"loadBalancer": {}}


def _job_labels(job: Obj) -> None:
    """A Job finds its Pods by its own uid, unless it was told a selector."""
    spec = job["spec"]
    if spec.get("manualSelector"):
        return
    uid = job["metadata"]["uid"]
    template = spec["template"].setdefault("metadata", {})
    own = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": job["metadata"]["name"]}
    old = {"controller-uid": uid, "job-name": job["metadata"]["name"]}
    template["labels"] = {**(template.get("labels") or {}), **own, **old}
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _established(definition: Obj) -> None:
    spec, when = definition["spec"], definition["metadata"]["creationTimestamp"]
    conditions = [
        {"lastTransitionTime": when, "message": message, "reason": reason, "status": "True", "type": kind}
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    stored = [v["name"] for v in spec["versions"] if v.get("storage")]
    definition["status"] = {"acceptedNames": spec["names"], "conditions": conditions, "storedVersions": stored}


_FINISH: dict[str, Callable[[Obj], None]] = {
    "Pod": _admit_pod,
    "Service": _balanced,
    "Ingress": _balanced,
    "Job": _job_labels,
    "CustomResourceDefinition": _established,
}
_BY_KIND: dict[str, Callable[[Obj], None]] = {
    "Pod": _pod,
    "Service": _service,
    "Deployment": _deployment,
    "ReplicaSet": _replicaset,
    "ReplicationController": _replication_controller,
    "DaemonSet": _daemonset,
    "StatefulSet": _statefulset,
    "Job": _job,
    "CronJob": _cronjob,
    "NetworkPolicy": _network_policy,
    "EndpointSlice": _endpoint_slice,
    "Endpoints": _endpoints,
    "Namespace": _namespace,
    "Secret": _secret,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": _volume_object,
    "StorageClass": _storage_class,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "HorizontalPodAutoscaler": _autoscaler,
    "CustomResourceDefinition": _definition,
}
