"""The ``loopback`` plugin: brings ``lo`` up in the pod. Runtimes call it before any other.

Without it a pod's containers could not reach each other on localhost. Whatever CNI_IFNAME says, it works on ``lo``.

Left out: the address ::1.
"""

from __future__ import annotations

from k8slearn.cni import spec
from k8slearn.cni.skel import Args, Printed, open_netns, plugin
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands
from k8slearn.linux import addr, link


def _add(args: Args) -> Printed:
    netns = open_netns(args.world, args.node, args.netns_path)
    yield from link.set_up(args.world, netns, "lo")
    mac = link.find(args.world, netns, "lo").mac
    ips = [{"interface": 0, "address": f"{a.address}/{a.prefix}"} for a in addr.on(args.world, netns, "lo")]
    interface = {"name": "lo", "mac": mac, "sandbox": args.netns_path}
    return {"cniVersion": args.version, "interfaces": [interface], "ips": ips, "dns": {}}


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
