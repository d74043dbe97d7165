"""``default-route``: which of a pod's networks has its way out (pkg/netutils).

As soon as one element of the annotation names a gateway, every delegate loses the default routes that its own
configuration brought, and the one that was named gets a route through it. Multus does that after the delegate's ADD,
and corrects the delegate's cached result, so that a CHECK finds what there is.

Left out: a filter for one family alone: the real one deletes the default routes of both as well. (In the cache it looks
for ``::0/0`` and so never finds IPv6's ``::/0``; neither do we.)
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from k8slearn.cni import runtime
from k8slearn.cni.iface import DEFAULTS
from k8slearn.cni.multus.conf import Delegate
from k8slearn.cni.skel import Args, kernel_words, open_netns
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put
from k8slearn.linux import route
from k8slearn.linux.rows import Route


def moved(args: Args, delegate: Delegate, to: runtime.Attachment) -> Commands:
    """Take this delegate's default routes away, and give it the one that was asked for. Raises CniError."""
    if not delegate.filtered and not delegate.gateways:
        return
    netns = open_netns(args.world, args.node, args.netns_path)
    for dst in DEFAULTS:
        while any((row.dst, row.dev) == (dst, to.ifname) for row in _main(args, netns)):
            yield from route.delete(args.world, netns, dst, dev=to.ifname)
    for via in delegate.gateways or ():
        try:
            wanted = Route(DEFAULTS[":" in via], via=via, dev=to.ifname)
            yield from route.add(args.world, netns, wanted)
        except CommandError as error:
            if kernel_words(error) != "file exists":
                raise CniError(f"error setting default gateway: {kernel_words(error)}") from None
    with suppress(ValueError, KeyError, TypeError):
        key = runtime.cached_key(delegate.net, to)
        yield Put(key, _corrected(args.world.get(key) or "", delegate.gateways or ()))


def _main(args: Args, netns: str) -> list[Any]:
    return [row for row in args.world.table(netns, "route").values() if row.table == "main"]


def _corrected(text: str, gateways: tuple[str, ...]) -> str:
    """The cached result without IPv4's default routes, and with those that were asked for."""
    cache = json.loads(text)
    result = cache["result"]
    kept = [row for row in result.get("routes") or () if row["dst"] not in ("0.0.0.0/0", "::0/0")]
    kept += [{"dst": "::0/0" if ":" in via else "0.0.0.0/0", "gw": via} for via in gateways]
    cache["result"] = {**{k: v for k, v in result.items() if k != "routes"}, **({"routes": kept} if kept else {})}
    return json.dumps(cache)
