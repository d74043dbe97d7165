"""A world filled by hand: one object of every kind that kubectl has a page for, in states rarely seen together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn.api import apply, create, load
from k8slearn.api.events import event
from k8slearn.journal import Command, Put, World
from k8slearn.linux.rows import Netns

CLOCK = ("clock", "now", "")
WEB = ("api", "pods", "default/web")
BORN = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:00:05Z"

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web, tier: front}, annotations: {note: hello there, multi: "a\\nb"}}
spec:
  containers:
  - name: c
    image: nginx:1.29
    command: ["sh", "-c"]
    args: ["sleep 1\\nsleep 2", b]
    ports: [{containerPort: 80, name: http}, {containerPort: 53, protocol: UDP, hostPort: 5353}]
    env:
    - {name: A, value: b}
    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: K, valueFrom: {secretKeyRef: {name: s, key: k}}}
    - {name: CM, valueFrom: {configMapKeyRef: {name: s, key: k, optional: true}}}
    envFrom: [{configMapRef: {name: cm}}]
    resources: {requests: {cpu: 0.5, memory: 1024Mi}, limits: {cpu: 1}}
    readinessProbe: {httpGet: {path: /x, port: http}, initialDelaySeconds: 3}
    livenessProbe: {tcpSocket: {port: 80}}
    startupProbe: {exec: {command: [cat, /x]}}
    volumeMounts: [{name: v, mountPath: /v}, {name: cm, mountPath: /cm, subPath: foo, readOnly: true}]
  - {name: d, image: busybox}
  initContainers: [{name: i, image: busybox}]
  volumes:
  - {name: v}
  - {name: cm, configMap: {name: cm, items: [{key: a, path: b}]}}
  - {name: h, hostPath: {path: /x}}
  - {name: s, secret: {secretName: ss}}
  - {name: p, persistentVolumeClaim: {claimName: q}}
  nodeSelector: {disk: ssd}
  tolerations:
  - {key: a, operator: Exists, effect: NoSchedule}
  - {key: b, value: c, effect: NoExecute, tolerationSeconds: 5}
---
apiVersion: v1
kind: Pod
metadata: {name: pending}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {a: b}}
spec:
  selector: {app: web, tier: front}
  ports: [{port: 80, name: http, targetPort: http}, {port: 53, protocol: UDP, name: dns}]
---
apiVersion: v1
kind: Service
metadata: {name: np}
spec:
  {type: NodePort, selector: {app: web}, ports: [{port: 80}], sessionAffinity: ClientIP, externalTrafficPolicy: Local}
---
apiVersion: v1
kind: Service
metadata: {name: lb}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 80}]
  loadBalancerSourceRanges: [10.0.0.0/8]
  externalIPs: [1.2.3.4]
---
apiVersion: v1
kind: Service
metadata: {name: hl}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: en}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, labels: {app: d}}
spec:
  replicas: 3
  selector: {matchLabels: {app: d}, matchExpressions: [{key: x, operator: NotIn, values: [b, a]}]}
  template:
    metadata: {labels: {app: d}, annotations: {k: v}}
    spec:
      containers: [{name: a, image: x, ports: [{containerPort: 80}], env: [{name: A, value: "1"}]}]
      serviceAccountName: sa
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: rs}
spec:
  selector: {matchLabels: {app: rs}}
  template:
    metadata: {labels: {app: rs}}
    spec: {containers: [{name: a, image: x}, {name: b, image: z}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds}
spec:
  selector: {matchLabels: {app: ds}}
  template:
    metadata: {labels: {app: ds}}
    spec: {containers: [{name: a, image: x}], hostNetwork: true}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sts}
spec:
  serviceName: hl
  selector: {matchLabels: {app: sts}}
  template:
    metadata: {labels: {app: sts}}
    spec: {containers: [{name: a, image: x}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  template:
    spec: {containers: [{name: a, image: x}], restartPolicy: Never}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cj}
spec:
  schedule: "*/5 * * * *"
  jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: x}], restartPolicy: Never}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data: {c: "d\\ne\\n"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: words}
data:
  number: "80"
  truth: "yes"
  date: "2026-01-01"
  time: "12:30:45"
  star: "*"
  colon: "a: b"
  hash: "a #b"
  empty: ""
  blank: " x "
  lines: "a\\n\\n b\\n"
  ends: "a \\nb"
  tab: "a\\tb"
  quote: "it's \\"so\\""
  umlaut: "ä→😀"
  tilde: "~"
  float: "1e3"
  octal: "017"
  brace: "{a}"
  dash: "- a"
  bell: "\\a"
  long: "a word a word a word a word a word a word a word a word a word a word a word a word a word"
  story: "%s"
"""
MANIFEST = (
    MANIFEST.replace("%s", "word " * 60 + "\\nmore")
    + """
---
apiVersion: v1
kind: Secret
metadata: {name: ss}
stringData: {a: "b"}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pol}
spec:
  podSelector: {matchLabels: {role: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - {ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}}
    - {namespaceSelector: {matchLabels: {project: p}}}
    - {podSelector: {matchLabels: {role: f}}}
    - {namespaceSelector: {}, podSelector: {}}
    ports: [{port: 6379}, {port: 1000, endPort: 2000, protocol: UDP}]
  - {}
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/24}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ing}
spec:
  ingressClassName: nginx
  rules:
  - host: a.b
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: q}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-abcde
  labels:
    kubernetes.io/service-name: web
    endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
  ownerReferences: [{apiVersion: v1, kind: Service, name: web, uid: abc, controller: true}]
addressType: IPv4
ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]
endpoints:
- addresses: [10.244.1.2]
  conditions: {ready: true, serving: true, terminating: false}
  nodeName: node-1
  targetRef: {kind: Pod, name: web, namespace: default, uid: x}
- addresses: [10.244.1.3]
  conditions: {ready: false}
  hostname: foo
  zone: z
---
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: 10.244.1.2}], ports: [{port: 80, name: http}]}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.ex.com}
spec:
  group: ex.com
  scope: Namespaced
  names: {plural: foos, kind: Foo, shortNames: [fo]}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
apiVersion: ex.com/v1
kind: Foo
metadata: {name: p}
spec: {someList: [{name: a}], x: 1, y: true, nested: {foo: bar}, empty: {}, scalars: [1, 2], clusterIPs: [a]}
"""
)


def made(clock: float) -> World:
    """The world, seen at this second of the logical clock."""
    world = World()
    world.revision = 10
    world.apply(Put(CLOCK, 0.0))
    world.apply(Put(("node:node-1", "netns", ""), Netns("node-1", "node:node-1")))
    for name in ("default", "kube-system"):
        _do(world, create(world, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    for number in (1, 2):
        _do(world, create(world, _node(number)))
    for obj in load(MANIFEST):
        _do(world, apply(world, obj))
    world.apply(Put(CLOCK, 125.0))
    _run_web(world)
    _say(world)
    world.apply(Put(CLOCK, clock))
    return world


def _do(world: World, commands: Iterator[Command]) -> None:
    for command in commands:
        world.revision += 1
        world.apply(command)


def _node(number: int) -> dict[str, Any]:
    name = f"node-{number}"
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    spec: dict[str, Any] = {"podCIDR": f"10.244.{number}.0/24", "podCIDRs": [f"10.244.{number}.0/24"]}
    if number == 1:
        labels["node-role.kubernetes.io/control-plane"] = ""
    else:
        spec |= {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}], "unschedulable": True}
    conditions = [
        _condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        _condition("Ready", "True" if number == 1 else "False", "KubeletReady", "kubelet is posting ready status"),
    ]
    status = {
        "capacity": {"cpu": "4", "memory": "8146280Ki", "pods": "110", "ephemeral-storage": "102Gi"},
        "allocatable": {"cpu": "4", "memory": "8043880Ki", "pods": "110", "ephemeral-storage": "94Gi"},
        "addresses": [
            {"type": "InternalIP", "address": f"192.168.64.1{number}"},
            {"type": "Hostname", "address": name},
        ],
        "conditions": conditions,
        "nodeInfo": {
            "kubeletVersion": "v1.37.0",
            "kubeProxyVersion": "v1.37.0",
            "osImage": "Debian GNU/Linux 13 (trixie)",
            "kernelVersion": "6.18.0",
            "containerRuntimeVersion": "containerd://2.1.4",
            "machineID": "abc",
            "systemUUID": "def",
            "bootID": "ghi",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }
    metadata = {"name": name, "labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, str]:
    times = {"lastHeartbeatTime": BORN, "lastTransitionTime": BORN}
    return {"type": kind, "status": status, "reason": reason, "message": message, **times}


def _run_web(world: World) -> None:
    """The pod runs: one container was restarted, another one crashes, the init container is done."""
    pod = world.get(WEB)
    running = {
        "name": "c",
        "ready": True,
        "restartCount": 2,
        "image": "nginx:1.29",
        "imageID": "docker.io/library/nginx@sha256:0",
        "containerID": "containerd://abc",
        "started": True,
        "state": {"running": {"startedAt": "2026-01-01T00:00:30Z"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "Error", "startedAt": LATER, "finishedAt": LATER}},
    }
    crashing = {
        "name": "d",
        "ready": False,
        "restartCount": 0,
        "image": "busybox",
        "imageID": "",
        "started": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}},
    }
    done = {
        "name": "i",
        "ready": True,
        "restartCount": 0,
        "image": "busybox",
        "imageID": "docker.io/library/busybox@sha256:1",
        "containerID": "containerd://i1",
        "started": False,
        "state": {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": LATER, "finishedAt": LATER}},
    }
    types = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    status = {
        **pod["status"],
        "phase": "Running",
        "hostIP": "192.168.64.11",
        "hostIPs": [{"ip": "192.168.64.11"}],
        "podIP": "10.244.1.2",
        "podIPs": [{"ip": "10.244.1.2"}],
        "startTime": LATER,
        "conditions": [{"type": t, "status": "True", "lastTransitionTime": LATER} for t in types],
        "initContainerStatuses": [done],
        "containerStatuses": [running, crashing],
    }
    world.apply(Put(WEB, {**pod, "spec": {**pod["spec"], "nodeName": "node-1"}, "status": status}))


def _say(world: World) -> None:
    """Events, one of them twice."""
    pod, node = world.get(WEB), world.get(("api", "nodes", "node-1"))
    pulled = 'Container image "nginx:1.29" already present on machine'
    said = (
        (125.0, pod, "Scheduled", "Successfully assigned default/web to node-1", "default-scheduler", "Normal"),
        (126.0, pod, "Pulled", pulled, "kubelet", "Normal"),
        (145.0, node, "Starting", "Starting kubelet.", "kubelet", "Normal"),
        (146.0, pod, "BackOff", "Back-off restarting failed container", "kubelet", "Warning"),
        (147.0, pod, "Pulled", pulled, "kubelet", "Normal"),
    )
    for second, about, reason, message, component, kind in said:
        world.apply(Put(CLOCK, second))
        world.revision += 1
        world.apply(event(world, about, reason, message, component, kind, host="node-1"))
