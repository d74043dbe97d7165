"""The ``dhcp`` plugin asks a DHCP server of the pod's own network for an address. It is refused here in one sentence.

In life a daemon (``/opt/cni/bin/dhcp daemon``) keeps each lease alive for as long as the pod runs; without it the
plugin says that it cannot connect to the daemon's socket, which is what ADD and DEL say here too.

Left out: all of it.
"""

from __future__ import annotations

from k8slearn.cni.skel import Args, Printed, plugin
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands

SOCKET = "/run/cni/dhcp.sock"


def _add(args: Args) -> Printed:
    yield from _refuse(args)
    return {}


def _refuse(args: Args) -> Commands:
    words = f"dial unix {SOCKET}: connect: no such file or directory"
    raise CniError(f"error dialing DHCP daemon: {words} (DHCP is not modelled here: use host-local or static)")
    yield


dhcp = plugin("dhcp", _add, _refuse, _refuse)
