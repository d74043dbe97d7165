"""One attachment of a pod to a vendor's network on the machine of `runner`, and laws that every such plugin obeys."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any

from k8slearn.cni import runtime, skel
from k8slearn.cni.runtime import Attachment, Network
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command, Put, World
from k8slearn.linux import netns

from .runner import NODE, run

Clean = Callable[[World], Any]


def installed(world: World, *plugins: str) -> None:
    """The vendor's install container has been here."""
    for name in plugins:
        world.apply(Put((NODE, "file", f"/opt/cni/bin/{name}"), skel.binary(name)))


def network(*plugins: dict[str, Any], version: str = "0.3.1", name: str = "k8s-pod-network") -> Network:
    found = runtime.parse("x.conflist", json.dumps({"name": name, "cniVersion": version, "plugins": list(plugins)}))
    assert found is not None
    return found


def attachment(pod: str, more: str = "") -> Attachment:
    """Pod ``default/NAME`` whose namespace is called like it."""
    args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod}{more}"
    return Attachment(NODE, f"id-of-{pod}", f"/var/run/netns/{pod}", "eth0", args)


def add(world: World, net: Network, pod: str, more: str = "") -> Any:
    """A pod comes: its namespace and ADD; what ADD printed."""
    if not netns.exists(world, netns.scope(NODE, pod)):
        run(world, netns.add(world, NODE, pod))
    return run(world, runtime.add(world, net, attachment(pod, more)))


def delete(world: World, net: Network, pod: str) -> None:
    """A pod goes: DEL and its namespace."""
    run(world, runtime.delete(world, net, attachment(pod)))
    if netns.exists(world, netns.scope(NODE, pod)):
        run(world, netns.delete(world, NODE, pod))


def interrupted(world: World, commands: Generator[Command, None, Any], steps: int) -> bool:
    """Apply so many commands and then die; False: it came to its end before. (A veth pair comes and goes whole.)"""
    done = 0
    while done < steps or _torn(world):
        try:
            world.apply(next(commands))
        except StopIteration:
            return False
        done += 1
    commands.close()
    return True


def _torn(world: World) -> bool:
    """Is one end of a cable there without the other?"""
    scopes = world.scopes("link")
    peers = (link.peer for scope in scopes for link in world.table(scope, "link").values())
    return any(peer is not None and world.get((peer[0], "link", peer[1])) is None for peer in peers)


def crashes_leave_nothing(world: World, net: Network, clean: Clean) -> int:
    """A crash after every single step of ADD and of DEL; a later DEL leaves the world as it was. Returns the steps."""
    steps, going = 0, True
    while going:
        steps += 1
        fork = world.fork()
        before = clean(fork)
        run(fork, netns.add(fork, NODE, "p"))
        going = interrupted(fork, runtime.add(fork, net, attachment("p")), steps)
        run(fork, runtime.delete(fork, net, attachment("p")))
        run(fork, netns.delete(fork, NODE, "p"))
        assert clean(fork) == before, f"ADD died after step {steps}"
    whole, again, going = steps, 0, True
    while going:
        again += 1
        fork = world.fork()
        before = clean(fork)
        run(fork, netns.add(fork, NODE, "p"))
        run(fork, runtime.add(fork, net, attachment("p")))
        going = interrupted(fork, runtime.delete(fork, net, attachment("p")), again)
        run(fork, runtime.delete(fork, net, attachment("p")))
        run(fork, netns.delete(fork, NODE, "p"))
        assert clean(fork) == before, f"DEL died after step {again}"
    return whole + again


def failure(world: World, net: Network, pod: str, more: str = "") -> str:
    """The words with which ADD fails."""
    try:
        add(world, net, pod, more)
    except CniError as error:
        return error.msg
    raise AssertionError("ADD has worked")
