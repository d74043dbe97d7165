"""``multus``: a meta-plugin that gives a pod more than one network.

A container runtime has one network for its pods. Multus stands in its place and is a runtime itself: it calls the
plugins of the **default network** for ``eth0``, and then those of each further network that the pod's annotation
names, for ``net1``, ``net2``, ...::

    k8s.v1.cni.cncf.io/networks: storage, ops/control@ctl0      selection.py: which, and what is asked of them
    NetworkAttachmentDefinition ops/control                     delegates.py: a CNI configuration as an API object
    k8s.v1.cni.cncf.io/network-status                           status.py: what came of it, written into the pod

The pod's address for Kubernetes stays the default network's; Services, probes and policies know no other. ADD runs the
delegates from first to last and takes all back if one fails. DEL runs them from last to first, from a file that ADD
wrote (/var/lib/cni/multus/ID), and goes on after a failure. Results are cached apart from the runtime's own, in
/var/lib/cni/multus/results. CHECK looks at the default network only, as the real one does
(k8snetworkplumbingwg/multus-cni v4, pkg/multus/multus.go: the thin plugin).

Left out: devices (``resourceName``, ``deviceID``, DRA), InfiniBand, the auxiliary chain, passthru, logs; the thick
plugin with its daemon; waiting (a readiness file that is not there is a timeout at once).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from k8slearn.api.events import event
from k8slearn.cni import runtime, spec
from k8slearn.cni.multus import delegates, gateway, status
from k8slearn.cni.multus.conf import Conf, Delegate, cached, load, saved
from k8slearn.cni.skel import Args, Printed, open_netns, plugin
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command, Commands, Put, Remove
from k8slearn.linux import link

Obj = dict[str, Any]
EMPTY: Obj = {"ips": [{"address": "0.0.0.0/0", "gateway": "0.0.0.0"}]}
"""The result for a pod that has gone from the API meanwhile."""


def _add(args: Args) -> Printed:
    conf, who = _conf(args), _who(args)
    _ready(args, conf, who)
    client = _client(args, conf)
    pod = _pod(args, who) if client else None
    if client and pod is None:
        interface = {"name": args.ifname, "sandbox": args.netns_path}
        return spec.printed({"interfaces": [interface], **EMPTY}, args.version)
    wanted = yield from _delegates(args, conf, pod, who)
    scratch = (args.node, "file", f"{conf.cni_dir}/{args.container_id}")
    yield Put(scratch, saved(wanted))
    result: Obj = {}
    statuses: list[Obj] = []
    for index, delegate in enumerate(wanted):
        to = _attachment(args, conf, delegate, index, who)
        try:
            mine = yield from _delegate_add(args, delegate, to)
        except CniError as error:
            yield from _delete_all(args, conf, wanted[: index + 1], who)
            name = delegate.network
            words = f'error adding container to network "{name}": {error}'
            raise CniError(f"[{_shown(who)}:{name}]: {words}") from None
        result = result if result and not delegate.master else mine
        if mine.get("interfaces") or mine.get("ips") or mine.get("ip4") or mine.get("ip6"):
            yield from gateway.moved(args, delegate, to)
            if pod is not None:
                yield _told(args, pod, delegate, to, mine)
        statuses += status.of(mine, delegate.name, delegate.master)
    if pod is not None:
        yield from status.write(args.world, pod, statuses)
    return result


def _delete(args: Args) -> Commands:
    conf, who = _conf(args, "{}"), _who(args)
    pod = _pod(args, who, deleted=True) if _client(args, conf) else None
    scratch = (args.node, "file", f"{conf.cni_dir}/{args.container_id}")
    text: str | None = args.world.get(scratch)
    known = cached(text) if text is not None else None
    if known is None:
        if text is not None or pod is None:
            return  # nobody knows what there was; an error would keep the sandbox for ever
        try:
            known = yield from delegates.of_pod(args, conf, pod)
        except CniError as error:
            known = list(conf.delegates)
            if not known:
                raise _failed(who, f"failed to get delegates: {error}") from None
    errors = yield from _delete_all(args, conf, known, who)
    gone = not errors or "no such file or directory" in str(errors)
    if text is not None and (gone or not conf.retry_delete):
        yield Remove(scratch)
    if errors:
        raise CniError(f"errors: {' / '.join(errors)}")


def _check(args: Args) -> Commands:
    conf, who = _conf(args, "{}"), _who(args)
    for index, delegate in enumerate(conf.delegates):
        doing = ("CheckNetworkList", "ConflistCheck") if delegate.listed else ("CheckNetwork", "DelegateCheck")
        try:
            yield from runtime.check(args.world, delegate.net, _attachment(args, conf, delegate, index, who))
        except CniError as error:
            prefix = "conflistCheck: " if delegate.listed else ""
            words = f"{prefix}error in getting result from {doing[0]}: {error}"
            raise CniError(f'DelegateCheck: error invoking {doing[1]} - "{delegate.called}": {words}') from None


def _status(args: Args) -> Commands:
    """Is the default network ready?"""
    conf = _conf(args)
    _client(args, conf)
    _ready(args, conf, None)
    first = delegates.default_networks(args, conf, None)[0] if conf.cluster_network else conf.delegates[0]
    yield from runtime.status(args.world, first.net, args.node, _path(args, conf))


def _gc(args: Args) -> Commands:
    """GC of the default network, to which every attachment that multus has cached is a valid one."""
    conf = _conf(args)
    _client(args, conf)
    _ready(args, conf, None)
    first = delegates.default_networks(args, conf, None)[0] if conf.cluster_network else conf.delegates[0]
    rows = runtime.cached(args.world, args.node, conf.results)
    valid = [(row["containerId"], row["ifName"]) for row in rows]
    try:
        yield from runtime.gc(args.world, first.net, args.node, valid, _path(args, conf), conf.results)
    except CniError as error:
        raise CniError(f"error in GC command: {error}") from None


# -- one delegate ------------------------------------------------------------------------------------------------------


def _delegates(args: Args, conf: Conf, pod: Obj | None, who: Obj) -> Generator[Command, None, list[Delegate]]:
    if pod is None:
        return list(conf.delegates)
    try:
        return (yield from delegates.of_pod(args, conf, pod))
    except CniError as error:
        raise _failed(who, error.msg) from None


def _delegate_add(args: Args, delegate: Delegate, to: runtime.Attachment) -> Printed:
    """DelegateAdd(): refuses an interface that is there already. Raises CniError."""
    netns = open_netns(args.world, args.node, args.netns_path)
    if args.world.get(link.key(netns, to.ifname)) is not None:
        there = f"validateIfName: interface name {to.ifname} already exists"
        kind = "" if delegate.listed else delegate.called
        raise CniError(f'DelegateAdd: cannot set "{kind}" interface name to "{to.ifname}": {there}')
    return (yield from runtime.add_printed(args.world, delegate.net, to))


def _delete_all(args: Args, conf: Conf, known: list[Delegate], who: Obj) -> Generator[Command, None, list[str]]:
    """delPlugins(): from last to first, on after a failure; returns what failed."""
    errors: list[str] = []
    for index, delegate in reversed(list(enumerate(known))):
        try:
            yield from runtime.delete(args.world, delegate.net, _attachment(args, conf, delegate, index, who))
        except CniError as error:
            doing = ("DelNetworkList", "ConflistDel") if delegate.listed else ("DelNetwork", "DelegateDel")
            prefix = "conflistDel: " if delegate.listed else ""
            words = f"{prefix}error in getting result from {doing[0]}: {error}"
            errors.append(f'DelegateDel: error invoking {doing[1]} - "{delegate.called}": {words}')
    return errors


def _attachment(args: Args, conf: Conf, delegate: Delegate, index: int, who: Obj) -> runtime.Attachment:
    """What the delegate is told (CreateCNIRuntimeConf): an interface of its own, and what the annotation asks for."""
    return runtime.Attachment(
        args.node,
        args.container_id,
        args.netns_path,
        delegate.interface(args.ifname, index),
        ";".join(f"{name}={value}" for name, value in _cni_args(args, delegate, who)),
        delegate.capabilities(conf.runtime_config),
        _path(args, conf),
        conf.results,
    )


def _cni_args(args: Args, delegate: Delegate, who: Obj) -> list[tuple[str, str]]:
    """CNI_ARGS: the pod, then once more what multus was told, then the address and the MAC that are asked for."""
    names = ("K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_UID")
    told = [pair.split("=", 1) for pair in args.call.env.get("CNI_ARGS", "").split(";") if "=" in pair]
    asked = [("MAC", delegate.mac), ("IP", ",".join(delegate.ips))]
    return [
        ("IgnoreUnknown", "true"),
        *((name, who.get(name, "")) for name in names),
        *((name, value) for name, value in told),
        *((name, value) for name, value in asked if value),
    ]


def _path(args: Args, conf: Conf) -> str:
    return ":".join(filter(None, (conf.bin_dir, args.call.env.get("CNI_PATH", ""))))


# -- Kubernetes --------------------------------------------------------------------------------------------------------


def _conf(args: Args, words: str = "Multus: error loading netconf: {}") -> Conf:
    try:
        return load(args.call.stdin)
    except CniError as error:
        raise CniError(words.format(error.msg)) from None


def _who(args: Args) -> Obj:
    """The pod, as CNI_ARGS names it."""
    names = ("K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_UID", "IP")
    try:
        return args.cni_args(**dict.fromkeys(names, str))
    except CniError as error:
        raise CniError(f"Multus: error getting k8s args: {error.msg}") from None


def _shown(who: Obj) -> str:
    return "/".join(who.get(f"K8S_POD_{part}", "") for part in ("NAMESPACE", "NAME", "UID"))


def _failed(who: Obj | None, words: str) -> CniError:
    return CniError(f"Multus: [{_shown(who)}]: {words}" if who is not None else f"Multus: {words}")


def _ready(args: Args, conf: Conf, who: Obj | None) -> None:
    """Raises CniError while the file is missing that says that the default network is ready."""
    path = conf.readiness_file
    if path and args.world.get((args.node, "file", path)) is None:
        words = (
            f"have you checked that your default network is ready? still waiting for readinessindicatorfile @ {path}"
        )
        raise _failed(who, f"{words}. pollimmediate error: timed out waiting for the condition")


def _client(args: Args, conf: Conf) -> bool:
    """Can it ask the API? Without a kubeconfig it runs its own delegates and nothing else. Raises CniError."""
    if conf.kubeconfig and args.world.get((args.node, "file", conf.kubeconfig)) is None:
        words = f"GetK8sClient: failed to get context for the kubeconfig {conf.kubeconfig}: stat {conf.kubeconfig}"
        raise CniError(f"Multus: error getting k8s client: {words}: no such file or directory")
    return bool(conf.kubeconfig)


def _pod(args: Args, who: Obj, deleted: bool = False) -> Obj | None:
    """The pod in the API. Another one of the same name is an error, and to DEL none at all."""
    found: Obj | None = args.world.get(("api", "pods", f"{who.get('K8S_POD_NAMESPACE')}/{who.get('K8S_POD_NAME')}"))
    uid = who.get("K8S_POD_UID")
    if found is None or not uid or found["metadata"].get("uid") == uid:
        return found
    if deleted:
        return None
    there = found["metadata"].get("uid")
    raise _failed(who, f'expected pod UID "{uid}" but got "{there}" from Kube API')


def _told(args: Args, pod: Obj, delegate: Delegate, to: runtime.Attachment, result: Obj) -> Put:
    """The event ``AddedInterface``."""
    addresses = " ".join(entry["address"] for entry in spec.read(result).get("ips") or ())
    origin = f" from {delegate.name}" if delegate.name else ""
    return event(args.world, pod, "AddedInterface", f"Add {to.ifname} [{addresses}]{origin}", "multus")


multus = plugin("multus", _add, _delete, _check, _status, _gc, vendor=True)
