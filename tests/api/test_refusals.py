"""Whatever is done to a manifest, the API takes it or says one thing about it."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8slearn import api
from k8slearn.errors import Refused
from k8slearn.journal import Put, World
from k8slearn.linux.rows import Netns
from k8slearn.shell import run

from .world import applied, deployment, do, pod, service

WRITTEN = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  initContainers: [{name: i, image: busybox, command: [sh]}]
  containers:
  - name: c
    image: nginx:1.29
    ports: [{containerPort: 80, name: http}]
    env: [{name: A, value: b}, {name: B, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}
    readinessProbe: {httpGet: {port: 80}}
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {}}]
  tolerations: [{operator: Exists}]
  nodeSelector: {a: b}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: http, nodePort: 30080}]}
---
apiVersion: v1
kind: Service
metadata: {name: lb}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  sessionAffinity: ClientIP
  clusterIP: 10.96.0.99
  ports: [{port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: name}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec:
  podSelector: {matchExpressions: [{key: a, operator: In, values: [b]}]}
  ingress:
  - from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {namespaceSelector: {}}]
    ports: [{port: 80, endPort: 90}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: in}
spec:
  rules:
  - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.2], conditions: {ready: true}}]
ports: [{port: 80}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data: {a: b}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: Yg==}
stringData: {c: d}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {a: b}}
---
apiVersion: v1
kind: Node
metadata: {name: node-9}
spec: {podCIDR: 10.244.9.0/24}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: foos, kind: Foo, shortNames: [fo]}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: r}
roleRef: {kind: Role, name: x}
subjects: [{kind: User, name: u}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: h}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: often}
spec:
  schedule: "* * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: v}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: q}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Event
metadata: {name: e}
involvedObject: {kind: Pod, name: web, namespace: default}
reason: Why
message: so
type: Normal
lastTimestamp: "2026-01-01T00:00:00Z"
---
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: 10.244.0.2}], ports: [{port: 80}]}]
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}}
---
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: more}
spec: {cidrs: [10.200.0.0/16]}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: example.com/fast
---
apiVersion: v1
kind: List
items: [{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa}}]
"""
GOOD: list[dict[str, Any]] = [
    *yaml.safe_load_all(WRITTEN),
    deployment("web", replicas=2, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
    {**deployment("agent"), "kind": "DaemonSet"},
    {**deployment("db", serviceName="db"), "kind": "StatefulSet"},
]
JUNK: list[Any] = [
    None, True, False, 0, -1, 70000, 2**40, 1.5, "", " ", "a", "A_b", "-", "x" * 300, "ä", "80%", "10.0.0.1", "::1",
    "10.0.0.0/8", "999.1.1.1", "None", "1e400", "0.1m", [], {}, [None], [[]], [1], ["a"], [{}], {"a": 1}, {"a": None},
    {"name": "b"}, {"": ""},
]  # fmt: skip


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a manifest."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(p for k, v in inner for p in paths(v, (*here, k)))]


def mutated(obj: Any, path: tuple[Any, ...], how: str, junk: Any) -> Any:
    """The manifest with one thing done at one place."""
    if not path:
        return junk
    obj = copy.deepcopy(obj)
    owner = obj
    for step in path[:-1]:
        owner = owner[step]
    last = path[-1]
    if how == "replace":
        owner[last] = junk
    elif how == "remove":
        del owner[last]
    elif isinstance(owner, list):
        owner.append(copy.deepcopy(owner[last]))
    else:
        owner[f"{last}x" if how == "misspell" else "extra"] = junk
    return obj


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    obj = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        if not isinstance(obj, (dict, list)):
            return obj
        places = paths(obj)
        how = draw(st.sampled_from(["replace", "replace", "remove", "misspell", "twice"]))
        obj = mutated(obj, draw(st.sampled_from(places)), how, draw(st.sampled_from(JUNK)))
    return obj


def sentence(error: Refused) -> None:
    said = str(error)
    assert said
    assert "Traceback" not in said
    if isinstance(error, api.ApiError) and (len(error.causes) > 1 or error.reason == "NoMatch"):
        return
    assert "\n" not in said, said


def test_the_good_ones_are_good() -> None:
    world = World()
    for obj in GOOD:
        applied(world, obj)


@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoilt(), st.booleans())
def test_a_spoilt_manifest_is_taken_or_refused_in_words(obj: Any, twice: bool) -> None:
    world = World()
    world.apply(Put(("node:node-1", "netns", ""), Netns("node-1", "node:node-1")))
    try:
        if twice and isinstance(obj, dict):
            applied(world, next(g for g in GOOD if g["kind"] == obj.get("kind", "Pod")))
        applied(world, obj)
    except Refused as error:
        sentence(error)
    except StopIteration:
        pass
    shown(world)


def shown(world: World) -> None:
    """kubectl has something to say about every object that was let in."""
    for scope, table in world.tables():
        if scope == "api":
            for command in ("get -o wide", "describe", "get -o yaml"):
                result = do(world.fork(), run(world, "node:node-1", ["kubectl", *command.split(), table, "-A"]))
                assert result.exit_code == 0, result.stderr


TEXT = yaml.safe_dump_all(GOOD)
MARKS = "{}[]:,-&*!|>'\"%@`#? \n\tab0\u00e9\x00"


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(0, len(TEXT)),
    st.integers(0, 30),
    st.text(st.sampled_from("{}[]:,-&*!|>'\"%@`#? \n\tab0\u00e9\x00"), max_size=6),
)
def test_a_manifest_with_a_hole_in_its_text_is_taken_or_refused_in_words(at: int, length: int, put: str) -> None:
    try:
        applied(World(), TEXT[:at] + put + TEXT[at + length :])
    except Refused as error:
        sentence(error)


SAID = {
    "spec.ports[0].port=70000": (
        'The Service "web" is invalid: spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, '
        "inclusive",
        service("web", ports=[{"port": 70000, "targetPort": 80}]),
    ),
    "a misspelt field": (
        'Error from server (BadRequest): Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
        'unknown field "spec.contaners"',
        {**pod("p"), "spec": {"contaners": []}},
    ),
    "a word for a number": (
        'Error from server (BadRequest): Deployment in version "v1" cannot be handled as a Deployment: json: cannot '
        "unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        deployment("d", replicas="two"),
    ),
    "a number for an environment variable": (
        'Error from server (BadRequest): Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number '
        "into Go struct field EnvVar.spec.containers.env.value of type string",
        pod("p", containers=[{"name": "c", "image": "x", "env": [{"name": "A", "value": 1}]}]),
    ),
    "a selector of other labels": (
        'The Deployment "d" is invalid: spec.template.metadata.labels: Invalid value: {"app":"d"}: `selector` does not '
        "match template `labels`",
        deployment("d", selector={"matchLabels": {"app": "e"}}),
    ),
    "no image": (
        'The Pod "p" is invalid: spec.containers[0].image: Required value',
        pod("p", containers=[{"name": "c"}]),
    ),
    "a mount without its volume": (
        'The Pod "p" is invalid: spec.containers[0].volumeMounts[0].name: Not found: "v"',
        pod("p", containers=[{"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/"}]}]),
    ),
    "a NodePort out of range": (
        'The Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 8080: provided port is not in the valid '
        "range. The range of valid ports is 30000-32767",
        service("web", type="NodePort", ports=[{"port": 80, "nodePort": 8080}]),
    ),
    "an unknown protocol": (
        'The Service "web" is invalid: spec.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", '
        '"TCP", "UDP"',
        service("web", ports=[{"port": 80, "protocol": "HTTP"}]),
    ),
    "a namespace that is not there": (
        'Error from server (NotFound): namespaces "nowhere" not found',
        {**pod("p"), "metadata": {"name": "p", "namespace": "nowhere"}},
    ),
}


@pytest.mark.parametrize("what", SAID)
def test_the_api_server_refuses_in_its_own_words(what: str) -> None:
    words, obj = SAID[what]
    with pytest.raises(Refused) as refused:
        applied(World(), obj)
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"fieldRef": {}}, "valueFrom.fieldRef.fieldPath: Required value"),
        ({"fieldRef": {"fieldPath": "status.ip"}}, "error converting fieldPath: field label not supported: status.ip"),
        (
            {"fieldRef": {"fieldPath": "status.phase"}},
            'valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase"',
        ),
        ({"configMapKeyRef": {"name": "c"}}, "valueFrom.configMapKeyRef.key: Required value"),
        ({}, 'valueFrom: Invalid value: "": must specify one of: `fieldRef` or'),
        (
            {"fieldRef": {"fieldPath": "status.podIP"}, "secretKeyRef": {"name": "s", "key": "k"}},
            'valueFrom: Invalid value: "": may not have more than one field specified at a time',
        ),
    ],
)
def test_a_variable_comes_from_one_place_that_is_said_in_full(source: dict[str, Any], sentence: str) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "c", "image": "nginx", "env": [{"name": "A", "valueFrom": source}]}]},
    }
    with pytest.raises(Refused, match=re.escape(sentence)):
        applied(World(), pod)
