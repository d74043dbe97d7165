"""``crictl runp``, ``create``, ``start`` and ``run``: a pod made by hand, as the kubelet makes it, from files.

::

    crictl runp pod.json                    the sandbox: netns, CNI ADD, pause
    crictl create ID container.json pod.json  the container's record, in the sandbox's namespaces
    crictl start ID                         its process

The files are CRI's own messages in JSON or YAML (cri-tools docs/crictl.md)::

    {"metadata": {"name": "web", "namespace": "default", "uid": "u1", "attempt": 0}, "linux": {}}
    {"metadata": {"name": "nginx"}, "image": {"image": "nginx"}, "linux": {}}

A kubelet that runs does not know this pod, and stops it when it looks around, two seconds later at most: stop the
kubelet first (``systemctl stop kubelet``). No scheduler, no API server and no restart: what dies stays dead.

Left out: pulling (every image is there), mounts, resources, log paths.
"""

from __future__ import annotations

import posixpath
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from k8slearn.api import yamltext
from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.cni.spec import CniError
from k8slearn.components.kubelet import containers, dial, programs, sandbox
from k8slearn.components.kubelet.pod import Pod
from k8slearn.errors import CommandError
from k8slearn.journal import Command, Key, Put, Remove, digest
from k8slearn.linux.program import Result
from k8slearn.shell.process import Process

Obj = dict[str, Any]
Doing = Generator[Command, None, str | Result]
NODE = ("NODE", 2)
"""A namespace option that means the node's own namespace, by name or by number."""
PIDS = {0: "POD", 1: "CONTAINER", 2: "NODE"}
PROTOCOLS = {0: "TCP", 1: "UDP", 2: "SCTP"}
RPC = "rpc error: code = Unknown desc = "


def config_key(node: str, container: str) -> Key:
    """Where the runtime keeps what a container made by hand was made of."""
    return (node, "config", container)


def fatal(words: str) -> CommandError:
    """How crictl ends when it cannot go on."""
    return CommandError(f"FATA[0000] {words}\n", 1)


def read(process: Process, path: str, doing: str) -> Obj:
    """A message of CRI in a file; `doing` stands before what is wrong with it."""
    text = process.world.get((process.machine, "file", posixpath.normpath(posixpath.join("/", path))))
    if text is None:
        raise fatal(f"{doing}: config at {path} not found")
    try:
        found = next((document for document in yamltext.documents(text) if document is not None), None)
    except yamltext.BadYaml as error:
        where = f"line {error.go_line}: " if error.go_line else ""
        raise fatal(f"{doing}: error converting YAML to JSON: yaml: {where}{error.problem}") from None
    if not isinstance(found, Mapping):
        raise fatal(f"{doing}: json: cannot unmarshal {type(found).__name__} into Go value of type v1.PodSandboxConfig")
    if not isinstance(found.get("metadata"), Mapping):
        raise fatal(f"{doing}: metadata is not set")
    return dict(found)


def runp(process: Process, names: list[str]) -> Doing:
    """``crictl runp FILE``."""
    if len(names) != 1:
        return Result(
            "NAME:\n   crictl runp - Run a new pod\n\nUSAGE:\n   crictl runp [options] pod-config.[json|yaml]\n"
        )
    made = yield from _run_sandbox(process, read(process, names[0], "load podSandboxConfig"))
    return f"{made.id}\n"


def _run_sandbox(process: Process, config: Obj) -> Generator[Command, None, Sandbox]:
    pod, metadata = described(process, config), config["metadata"]
    new = replace(sandbox.described(pod, int(metadata.get("attempt") or 0)), hand=True)
    new = replace(new, pids=_pids(config))
    name = f"{pod.name}_{pod.namespace}_{pod.uid}_{new.attempt}"
    held = next((row for row in cri.sandboxes(process.world, process.machine, pod.key) if _names(row) == name), None)
    if held is not None:
        why = f'failed to reserve sandbox name "{name}": name "{name}" is reserved for "{held.id}"'
        raise fatal(f"run pod sandbox: {RPC}{why}")
    yield _called(pod, "RunPodSandbox", attempt=new.attempt, image=new.image)
    try:
        return (yield from sandbox.make(pod, new))
    except CniError as error:
        raise fatal(f"run pod sandbox: {error}") from None


def _names(row: Sandbox) -> str:
    namespace, _, name = row.pod.partition("/")
    return f"{name}_{namespace}_{row.uid}_{row.attempt}"


def described(process: Process, config: Obj) -> Pod:
    """The pod that a sandbox's configuration describes, as the engine's kubelet would see it."""
    metadata = config["metadata"]
    lacking = [field for field in ("name", "namespace", "uid") if not metadata.get(field)]
    if lacking:
        raise fatal(f'load podSandboxConfig: name, namespace or uid is not in metadata "{_go(metadata)}"')
    ports = [_port(mapping) for mapping in config.get("port_mappings") or ()]
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "annotations": config.get("annotations") or {}},
        "spec": {
            "hostNetwork": _options(config).get("network") in NODE,
            "hostname": config.get("hostname", ""),
            "containers": [{"name": "ports", "ports": ports}],
        },
    }
    key = f"{metadata['namespace']}/{metadata['name']}"
    return Pod(process.world, key, obj, process.machine, dial.of(process.world), True)


def _go(metadata: Mapping[str, Any]) -> str:
    """A message as Go prints it."""
    return "&PodSandboxMetadata{{Name:{},Uid:{},Namespace:{},Attempt:{},}}".format(
        *(metadata.get(field, "") for field in ("name", "uid", "namespace")), metadata.get("attempt", 0)
    )


def _options(config: Obj) -> Obj:
    context: Obj = (config.get("linux") or {}).get("security_context") or {}
    return dict(context.get("namespace_options") or {})


def _pids(config: Obj) -> str:
    """CRI's default is 0, a process namespace for the whole pod."""
    asked = _options(config).get("pid", 0)
    return PIDS.get(asked, str(asked))


def _port(mapping: Obj) -> Obj:
    protocol = mapping.get("protocol", 0)
    return {
        "hostPort": mapping.get("host_port", 0),
        "containerPort": mapping.get("container_port", 0),
        "protocol": PROTOCOLS.get(protocol, protocol),
        "hostIP": mapping.get("host_ip", ""),
    }


def _called(pod: Pod, method: str, **told: object) -> Put:
    return cri.call(pod.world, pod.node, pod.key, "crictl", pod.dial.scheme, method, **told)


def create(process: Process, names: list[str], find: Any) -> Doing:
    """``crictl create POD CONTAINER-FILE POD-FILE``; `find` finds a sandbox by its id."""
    if len(names) != 3:
        usage = "crictl create [command options] POD container-config.[json|yaml] pod-config.[json|yaml]"
        return Result(f"NAME:\n   crictl create - Create a new container\n\nUSAGE:\n   {usage}\n")
    box: Sandbox = find(names[0])
    config, pod = (read(process, name, "creating container") for name in names[1:])
    made = yield from _create(process, box, config, described(process, pod))
    return f"{made.id}\n"


def _create(process: Process, box: Sandbox, config: Obj, pod: Pod) -> Generator[Command, None, Container]:
    metadata, image = config["metadata"], (config.get("image") or {}).get("image", "")
    if not image:
        raise fatal(f"creating container: {RPC}container image is not set")
    if box.state != cri.READY:
        why = f"failed to get sandbox container task: no running task found: task {box.id} not found: not found"
        raise fatal(f"creating container: {RPC}{why}")
    spec = {"name": metadata.get("name", ""), "image": image}
    spec |= {field: config[field] for field in ("command", "args") if config.get(field)}
    attempt, full = int(metadata.get("attempt") or 0), programs.full_name(image)
    made = Container(
        digest("container", box.id, spec["name"], attempt, process.world.clock, length=64),
        *(box.pod, spec["name"], box.id, image, "sha256:" + digest("image", full, length=64), attempt),
        created=process.world.clock,
        program=programs.program(spec),
    )
    name = f"{spec['name']}_{pod.name}_{pod.namespace}_{pod.uid}_{attempt}"
    rows = cri.containers(process.world, process.machine, box.pod)
    held = next((c for c in rows if (c.sandbox, c.name, c.attempt) == (box.id, made.name, attempt)), None)
    if held is not None:
        why = f'failed to reserve container name "{name}": name "{name}" is reserved for "{held.id}"'
        raise fatal(f"creating container: {RPC}{why}")
    yield _called(pod, "CreateContainer", sandbox=box.id[:13], name=made.name, image=image, attempt=attempt)
    yield Put(config_key(process.machine, made.id), spec)
    yield Put(cri.container_key(process.machine, made), made)
    return made


def start(process: Process, rows: list[Container]) -> Doing:
    """``crictl start ID...``."""
    for row in rows:
        yield from _start(process, row)
    return "".join(f"{row.id}\n" for row in rows)


def _start(process: Process, row: Container) -> Generator[Command, None, None]:
    box: Sandbox | None = process.world.get((process.machine, "sandbox", row.sandbox))
    spec = process.world.get(config_key(process.machine, row.id))
    if row.state != cri.CREATED or box is None or spec is None:
        raise fatal(f'starting the container "{row.id}": {RPC}container is in CONTAINER_{row.state} state')
    namespace, _, name = row.pod.partition("/")
    metadata = {"name": name, "namespace": namespace, "uid": box.uid}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [spec]}}
    pod = Pod(process.world, row.pod, obj, process.machine, dial.of(process.world), True)
    yield _called(pod, "StartContainer", id=row.id[:13])
    running = replace(row, state=cri.RUNNING, started=process.world.clock)
    running = yield from containers.listen(pod, box, spec, running)
    yield Put(cri.container_key(process.machine, running), running)


def run(process: Process, names: list[str]) -> Doing:
    """``crictl run CONTAINER-FILE POD-FILE``: all three at once."""
    if len(names) != 2:
        usage = "crictl run [command options] container-config.[json|yaml] pod-config.[json|yaml]"
        return Result(f"NAME:\n   crictl run - Run a new container inside a sandbox\n\nUSAGE:\n   {usage}\n")
    config = read(process, names[1], "load podSandboxConfig")
    box = yield from _run_sandbox(process, config)
    inner = read(process, names[0], "creating container")
    made = yield from _create(process, box, inner, described(process, config))
    yield from _start(process, made)
    return f"{made.id}\n"


def forget(process: Process, row: Container) -> Generator[Command, None, None]:
    """RemoveContainer: the record goes."""
    yield Remove(cri.container_key(process.machine, row))
    if process.world.get(config_key(process.machine, row.id)) is not None:
        yield Remove(config_key(process.machine, row.id))
