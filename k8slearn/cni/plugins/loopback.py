"""The ``loopback`` plugin: brings ``lo`` up in the pod. Runtimes call it before any other.

Without it a pod's containers could not reach each other on localhost. Whatever CNI_IFNAME says, it works on ``lo``.
In the middle of a chain it hands the result of the plugins before it on as it is. Its own result has the form of CNI
1.0.0 beside the version that the configuration says, whatever that is: the reference plugin's is like that.

Left out: nothing.
"""

from __future__ import annotations

from k8slearn.cni import spec
from k8slearn.cni.skel import Args, Printed, check_netconf, open_netns, plugin
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands
from k8slearn.linux import addr, ip, link


def _add(args: Args) -> Printed:
    check_netconf(args, "failed to parse network config")
    try:
        previous = args.previous
    except CniError as error:
        raise CniError(f"failed to parse prevResult: {error.msg}") from None
    netns = open_netns(args.world, args.node, args.netns_path)
    yield from link.set_up(args.world, netns, "lo")
    held = addr.on(args.world, netns, "lo")
    for row in held:
        if not ip.is_loopback(row.address):
            raise CniError(f'loopback interface found with non-loopback address "{row.address}"')
    if previous is not None:
        return spec.printed(previous, args.version)
    first = {":" in row.address: row for row in reversed(held)}
    ips = [{"interface": 0, "address": f"{row.address}/{row.prefix}"} for _, row in sorted(first.items())]
    interface = {"name": "lo", "mac": link.NO_MAC, "sandbox": args.netns_path}
    said = args.config.get("cniVersion")
    form = args.version if not said or spec.at_least(said, "1.0.0") else "1.0.0"
    return {**spec.printed({"interfaces": [interface], "ips": ips}, form), "cniVersion": args.version}


def _delete(args: Args) -> Commands:
    if args.netns_path:
        try:
            netns = open_netns(args.world, args.node, args.netns_path)
        except CniError:
            return
        yield from link.set_down(args.world, netns, "lo")


def _check(args: Args) -> Commands:
    netns = open_netns(args.world, args.node, args.netns_path)
    if not link.find(args.world, netns, "lo").up:
        raise CniError("loopback interface is down", spec.INTERNAL)
    yield from ()


loopback = plugin("loopback", _add, _delete, _check)
