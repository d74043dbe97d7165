"""The resources of the API: what ``kubectl api-resources`` lists.

A **kind** is what YAML says (``Deployment``), a **resource** is what the URL and kubectl say (``deployments``,
``deployment``, ``deploy``). One table has the built-in ones; a CustomResourceDefinition in the world adds
its own, whose rows live in the table ``plural.group``.

Left out: subresources (status, scale, exec) as resources of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from k8slearn.api.status import ApiError
from k8slearn.journal import Key, World


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API. `table` is where its rows live in the world."""

    kind: str
    plural: str
    short: tuple[str, ...]
    group: str
    version: str
    namespaced: bool
    singular: str
    table: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As error messages name it: ``deployments.apps``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def key(self, name: str, namespace: str = "") -> Key:
        return ("api", self.table, f"{namespace}/{name}" if self.namespaced else name)


_TABLE = """
Binding                   bindings                   -       v1                             +
ComponentStatus           componentstatuses          cs      v1                             -
ConfigMap                 configmaps                 cm      v1                             +
Endpoints                 endpoints                  ep      v1                             +
Event                     events                     ev      v1                             +
LimitRange                limitranges                limits  v1                             +
Namespace                 namespaces                 ns      v1                             -
Node                      nodes                      no      v1                             -
PersistentVolumeClaim     persistentvolumeclaims     pvc     v1                             +
PersistentVolume          persistentvolumes          pv      v1                             -
Pod                       pods                       po      v1                             +
PodTemplate               podtemplates               -       v1                             +
ReplicationController     replicationcontrollers     rc      v1                             +
ResourceQuota             resourcequotas             quota   v1                             +
Secret                    secrets                    -       v1                             +
ServiceAccount            serviceaccounts            sa      v1                             +
Service                   services                   svc     v1                             +
CustomResourceDefinition  customresourcedefinitions  crd,crds  apiextensions.k8s.io/v1      -
ControllerRevision        controllerrevisions        -       apps/v1                        +
DaemonSet                 daemonsets                 ds      apps/v1                        +
Deployment                deployments                deploy  apps/v1                        +
ReplicaSet                replicasets                rs      apps/v1                        +
StatefulSet               statefulsets               sts     apps/v1                        +
HorizontalPodAutoscaler   horizontalpodautoscalers   hpa     autoscaling/v2                 +
CronJob                   cronjobs                   cj      batch/v1                       +
Job                       jobs                       -       batch/v1                       +
Lease                     leases                     -       coordination.k8s.io/v1         +
EndpointSlice             endpointslices             -       discovery.k8s.io/v1            +
IngressClass              ingressclasses             -       networking.k8s.io/v1           -
Ingress                   ingresses                  ing     networking.k8s.io/v1           +
IPAddress                 ipaddresses                ip      networking.k8s.io/v1           -
NetworkPolicy             networkpolicies            netpol  networking.k8s.io/v1           +
ServiceCIDR               servicecidrs               -       networking.k8s.io/v1           -
PodDisruptionBudget       poddisruptionbudgets       pdb     policy/v1                      +
ClusterRoleBinding        clusterrolebindings        -       rbac.authorization.k8s.io/v1   -
ClusterRole               clusterroles               -       rbac.authorization.k8s.io/v1   -
RoleBinding               rolebindings               -       rbac.authorization.k8s.io/v1   +
Role                      roles                      -       rbac.authorization.k8s.io/v1   +
PriorityClass             priorityclasses            pc      scheduling.k8s.io/v1           -
CSIDriver                 csidrivers                 -       storage.k8s.io/v1              -
CSINode                   csinodes                   -       storage.k8s.io/v1              -
StorageClass              storageclasses             sc      storage.k8s.io/v1              -
VolumeAttachment          volumeattachments          -       storage.k8s.io/v1              -
"""

_NOT_STORED = {"Binding", "ComponentStatus"}


def _row(line: str) -> Kind:
    kind, plural, short, api_version, namespaced = line.split()
    group, _, version = api_version.rpartition("/")
    names = () if short == "-" else tuple(short.split(","))
    return Kind(kind, plural, names, group, version, namespaced == "+", kind.lower(), plural)


BUILT_IN: tuple[Kind, ...] = tuple(
    kind for line in _TABLE.strip().splitlines() if (kind := _row(line)).kind not in _NOT_STORED
)
BY_KIND: dict[tuple[str, str], Kind] = {(k.group, k.kind): k for k in BUILT_IN}
BY_TABLE: dict[str, Kind] = {k.table: k for k in BUILT_IN}
_ALSO_SERVED = {("autoscaling/v1", "HorizontalPodAutoscaler"), ("events.k8s.io/v1", "Event")}


def named(kind: str) -> Kind:
    """The built-in kind with this name: ``named("Pod")``."""
    return _by_name()[kind]


@cache
def _by_name() -> dict[str, Kind]:
    return {k.kind: k for k in BUILT_IN}


def custom(world: World) -> dict[tuple[str, str], Kind]:
    """The kinds that CustomResourceDefinitions of this world add, by (group, kind)."""
    return world.table("api", "customresourcedefinitions").index(_custom)


def _custom(table: dict[Any, Any]) -> dict[tuple[str, str], Kind]:
    found = {}
    for name in sorted(table):
        spec = table[name]["spec"]
        names, served = spec["names"], [v["name"] for v in spec["versions"] if v.get("served", True)]
        if served:
            found[spec["group"], names["kind"]] = Kind(
                names["kind"],
                names["plural"],
                tuple(names.get("shortNames") or ()),
                spec["group"],
                served[0],
                spec["scope"] == "Namespaced",
                names.get("singular") or names["kind"].lower(),
                f"{names['plural']}.{spec['group']}",
            )
    return found


def of(world: World, obj: dict[str, Any]) -> Kind:
    """The kind of an object, or a refusal in kubectl's words."""
    api_version, kind = obj["apiVersion"], obj["kind"]
    group, _, version = api_version.rpartition("/")
    found = BY_KIND.get((group, kind)) or custom(world).get((group, kind))
    if found is None and (api_version, kind) in _ALSO_SERVED:
        found = _by_name()[kind]
    if found is None or (
        version != found.version and (api_version, kind) not in _ALSO_SERVED and not _crd_serves(world, found, version)
    ):
        raise unknown(obj)
    return found


def _crd_serves(world: World, kind: Kind, version: str) -> bool:
    definition = world.get(("api", "customresourcedefinitions", kind.resource))
    return definition is not None and any(
        v["name"] == version and v.get("served", True) for v in definition["spec"]["versions"]
    )


def unknown(obj: dict[str, Any]) -> ApiError:
    """Nobody serves this kind in this version."""
    metadata = obj.get("metadata") or {}
    return ApiError(
        "NoMatch",
        f'resource mapping not found for name: "{metadata.get("name", "")}" namespace: '
        f'"{metadata.get("namespace", "")}" from "{{source}}": no matches for kind "{obj["kind"]}" in version '
        f'"{obj["apiVersion"]}"\nensure CRDs are installed first',
    )


def compact(value: Any) -> str:
    """JSON as kubectl writes it on one line: keys sorted, no spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def every(world: World) -> Iterator[Kind]:
    """All kinds that exist in this world, in the order of ``kubectl api-resources``."""
    yield from BUILT_IN
    yield from custom(world).values()


def find(world: World, word: str) -> Kind | None:
    """The resource that a person means: plural, singular, short name, kind, or ``plural.group``."""
    word = word.lower()
    exact = _by_word().get(word)
    if exact is not None:
        return exact
    resource, _, group = word.partition(".")
    for kind in every(world):
        names = (kind.plural, kind.singular, kind.kind.lower(), *kind.short)
        if resource in names and _group_means(kind, group):
            return kind
    return None


def _group_means(kind: Kind, group: str) -> bool:
    """kubectl takes ``deployments``, ``deployments.apps`` and ``deployments.v1.apps``."""
    version, _, rest = group.partition(".")
    return group in ("", kind.group) or (version == kind.version and rest == kind.group)


@cache
def _by_word() -> dict[str, Kind]:
    return {word: kind for kind in reversed(BUILT_IN) for word in (kind.plural, kind.singular, *kind.short)}
