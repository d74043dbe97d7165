"""A pod's sandbox: the network namespace and the pause container that holds it for the others.

containerd (1.24 and newer) makes the namespace first, has CNI wire it, then starts the pause container in it.
dockershim (1.23 and older) starts the pause container, whose namespace is then wired. Stopping goes the other way
round: CNI DEL, the namespace, pause.

Left out: user namespaces, runtime classes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from k8slearn.cni import cri
from k8slearn.cni.cri import Sandbox
from k8slearn.cni.spec import CniError
from k8slearn.components.kubelet import dial, dns, network, retry
from k8slearn.components.kubelet.pod import Pod
from k8slearn.journal import Command, Commands, Put, Remove, World, digest
from k8slearn.linux import netns


def run(pod: Pod, attempt: int) -> Generator[Command, None, Sandbox | None]:
    """RunPodSandbox: returns the sandbox, or None when its network could not be set up (then there is a timer)."""
    yield pod.call("RunPodSandbox", attempt=attempt, image=pod.dial.pause, hostNetwork="true" * pod.host_network)
    for complaint in dns.complaints(pod):
        yield pod.say("DNSConfigForming", complaint, "Warning")
    try:
        new = yield from make(pod, described(pod, attempt))
    except CniError as error:
        yield pod.say("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}", "Warning")
        until = pod.world.clock + retry.SANDBOX_DELAY
        yield from retry.later(pod.world, pod.node, pod.key, retry.SANDBOX, until)
        return None
    yield from retry.forget(pod.world, pod.node, pod.key, retry.SANDBOX)
    return new


def make(pod: Pod, new: Sandbox) -> Generator[Command, None, Sandbox]:
    """What the runtime does for it. Raises CniError with the runtime's answer; nothing of the sandbox stays then."""
    try:
        new = _addressed(new, pod.host_ips if pod.host_network else (yield from _with_network(pod, new)))
    except CniError as error:
        yield Remove(cri.sandbox_key(pod.node, new))
        yield from netns.delete(pod.world, pod.node, new.netns.partition("/")[2])
        raise CniError(_refusal(pod, new, error)) from None
    yield Put(cri.sandbox_key(pod.node, new), new)
    return new


def _addressed(new: Sandbox, ips: tuple[str, ...]) -> Sandbox:
    return replace(new, ip=ips[0] if ips else "", additional_ips=ips[1:])


def described(pod: Pod, attempt: int) -> Sandbox:
    """The sandbox that will be; its id is random in life and derived here."""
    identity = digest("sandbox", pod.uid, attempt, pod.world.clock, length=64)
    scope = pod.node if pod.host_network else netns.scope(pod.node, _netns_name(pod, identity))
    process = cri.process_id(identity)
    return Sandbox(
        identity,
        pod.key,
        pod.uid,
        attempt,
        scope,
        created=pod.world.clock,
        image=pod.dial.pause,
        pid=process,
        host_network=pod.host_network,
        resolv_conf=dns.resolv_conf(pod),
        pids="NODE" if pod.spec.get("hostPID") else "POD" if pod.spec.get("shareProcessNamespace") else "CONTAINER",
    )


def _netns_name(pod: Pod, identity: str) -> str:
    """``cni-`` and a UUID (go-cni), or under Docker the first digits of the pause container's id."""
    if pod.dial.dockershim:
        return identity[:12]
    bits = digest("netns", identity, length=32)
    return f"cni-{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"


def _with_network(pod: Pod, new: Sandbox) -> Generator[Command, None, tuple[str, ...]]:
    """The namespace, then its network. Under Docker the pause container is there before it has one."""
    yield from netns.add(pod.world, pod.node, new.netns.partition("/")[2], title=pod.key)
    if pod.dial.dockershim:
        yield Put(cri.sandbox_key(pod.node, new), new)
    return (yield from network.wire(pod, new))


def _refusal(pod: Pod, new: Sandbox, error: CniError) -> str:
    """Why there is no sandbox, as containerd (or before it dockershim) says it."""
    if pod.dial.dockershim:
        plugin = "kubenet" if network.is_kubenet(pod.world, pod.node) else "cni"
        where = f'failed to set up sandbox container "{new.id}" network for pod "{pod.name}"'
        what = f'networkPlugin {plugin} failed to set up pod "{pod.name}_{pod.namespace}" network: {error}'
        return f"rpc error: code = Unknown desc = {where}: {what}"
    return f'rpc error: code = Unknown desc = failed to setup network for sandbox "{new.id}": {error}'


def stop(world: World, node: str, old: Sandbox, caller: str = "kubelet") -> Commands:
    """StopPodSandbox: CNI DEL, the namespace, the pause container. Raises CniError when DEL fails."""
    inner = old.netns.partition("/")[2]
    if old.state == cri.READY or old.ip:
        yield cri.call(world, node, old.pod, caller, dial.of(world).scheme, "StopPodSandbox", id=old.id[:13])
    if inner:
        if old.ip:
            yield from network.unwire(world, node, old)
        if netns.exists(world, old.netns):
            yield from netns.delete(world, node, inner)
    if old.state == cri.READY or old.ip:
        yield Put(cri.sandbox_key(node, old), replace(old, state=cri.NOTREADY, ip="", additional_ips=()))


def broken(pod: Pod, live: Sandbox) -> bool:
    """PodSandboxChanged: pause is dead, the namespace is gone, or it is not the pod's own any more."""
    gone = not live.host_network and not netns.exists(pod.world, live.netns)
    return live.state != cri.READY or gone or live.uid != pod.uid or live.host_network != pod.host_network
