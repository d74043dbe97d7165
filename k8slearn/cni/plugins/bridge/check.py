"""CHECK of the bridge plugin: is everything still there that ADD made (bridge.go: cmdCheck)?

The bridge with its MAC and mode, the container's end with its MAC, a veth on the node that is its other end and a port
of the bridge, then the addresses and routes. A link that the result names and that is not the cable of this container
is let pass.

Left out: nothing.
"""

from __future__ import annotations

from k8slearn.cni import iface
from k8slearn.cni.plugins.bridge.config import Config
from k8slearn.cni.skel import Args
from k8slearn.cni.spec import CniError, Result
from k8slearn.linux import link
from k8slearn.linux.device import peer_of
from k8slearn.linux.rows import Link


def check(args: Args, config: Config, result: Result, netns: str) -> None:
    """Raises CniError for the first thing that is not as the result says."""
    said: list[Result] = list(result.get("interfaces") or ())
    bridge = next((i for i in reversed(said) if i["name"] == config.bridge), {})
    inside = [i for i in said if i["name"] == args.ifname != config.bridge and i.get("sandbox") == args.netns_path]
    pod = inside[-1] if inside else {}
    _check_bridge(args, config, bridge)
    if pod.get("sandbox", "") != args.netns_path:
        there = pod.get("sandbox", "")
        raise CniError(f"Sandbox in prevResult {there} doesn't match configured netns: {args.netns_path}")
    end = _check_pod(args, netns, pod)
    others = (i for i in said if i["name"] not in (bridge["name"], pod["name"]))
    if not any(_is_cable(args, config, other, end) for other in others):
        raise CniError(f"CNI veth created for bridge {config.bridge} was not found")
    iface.check_addresses(args, netns, result.get("ips") or ())
    iface.check_routes(args, netns, result.get("routes") or ())


def _find(args: Args, netns: str, said: Result, in_sandbox: bool) -> Link:
    """validateInterface(): the link that the result names."""
    name = said.get("name", "")
    if not name:
        raise CniError("Interface name missing ")
    found: Link | None = args.world.get(link.key(netns, name))
    if found is None:
        raise CniError(f"Interface name {name} not found")
    if in_sandbox and not said.get("sandbox"):
        raise CniError(f"Interface {name} is expected to be in a sandbox")
    if not in_sandbox and said.get("sandbox"):
        raise CniError(f"Interface {name} should not be in sandbox")
    return found


def _check_bridge(args: Args, config: Config, said: Result) -> None:
    found = _find(args, args.node, said, in_sandbox=False)
    if found.kind != "bridge":
        raise CniError(f"Interface {found.name} does not have link type of bridge")
    if said.get("mac") not in (None, "", found.mac):
        raise CniError(f"Bridge interface {found.name} Mac doesn't match: {said['mac']}")
    if found.promisc != config.promisc:
        wanted, now = (str(on).lower() for on in (config.promisc, found.promisc))
        words = f"configured Promisc Mode {wanted} doesn't match current state: {now} "
        raise CniError(f"Bridge interface {found.name} {words}")


def _check_pod(args: Args, netns: str, said: Result) -> Link:
    found = _find(args, netns, said, in_sandbox=True)
    if found.kind != "veth":
        raise CniError(f"Error: Container interface {found.name} not of type veth")
    if said.get("mac") not in (None, "", found.mac):
        raise CniError(f"Interface {found.name} Mac {said['mac']} doesn't match container Mac: {found.mac}")
    return found


def _is_cable(args: Args, config: Config, said: Result, pod: Link) -> bool:
    """Is this the other end of the container's cable, plugged into the bridge?"""
    found = _find(args, args.node, said, in_sandbox=False)
    peer = peer_of(args.world, found)
    if peer is None or peer.index != pod.index or pod.peer != (args.node, found.name):
        return False
    if found.master != config.bridge:
        return False
    if said.get("mac") not in (None, "", found.mac):
        raise CniError(f"Interface {found.name} Mac doesn't match: {said['mac']} not found")
    return True
