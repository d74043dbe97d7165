"""What a configuration says to the bridge plugin, with the plugin's defaults (bridge.go: loadNetConf).

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import skel
from k8slearn.cni.decode import BOOL, INT, NETCONF, STRING, Items, Kind, Struct
from k8slearn.cni.skel import Args
from k8slearn.cni.spec import CniError

SWITCHES = ("isGateway", "isDefaultGateway", "forceAddress", "ipMasq", "hairpinMode", "promiscMode")
_MAC: dict[str, Kind] = {"mac": STRING}
_NETCONF = Struct(
    "main.NetConf",
    {
        **NETCONF,
        **dict.fromkeys((*SWITCHES, "macspoofchk", "enabledad", "preserveDefaultVlan"), BOOL),
        "vlanTrunk": Items(Struct("main.VlanTrunk", dict.fromkeys(("minID", "maxID", "id"), INT)), "[]*main.VlanTrunk"),
        "bridge": STRING,
        "mtu": INT,
        "vlan": INT,
        "args": Struct("struct { Cni main.BridgeArgs }", {"cni": Struct("main.BridgeArgs", _MAC)}),
        "runtimeConfig": Struct('struct { Mac string "json:\\"mac,omitempty\\"" }', _MAC),
    },
)


class Config(NamedTuple):
    """The plugin's own fields."""

    bridge: str
    is_gateway: bool
    is_default_gateway: bool
    force_address: bool
    ip_masq: bool
    mtu: int
    hairpin: bool
    promisc: bool
    vlan: int
    trunk: tuple[int, ...] | None
    """VLANs that come to the pod with their tags; None: nothing is said."""
    preserve_default_vlan: bool
    enable_dad: bool
    mac: str
    ipam: str
    dns: Mapping[str, Any]


def load(args: Args) -> Config:
    """The configuration of this call; a MAC in CNI_ARGS counts where the configuration has none. Raises CniError."""
    config = _config(args.call.stdin)
    asked = args.cni_args(MAC=str).get("MAC", "")
    return config if config.mac or not asked else config._replace(mac=asked)


@lru_cache(maxsize=1024)
def _config(stdin: str) -> Config:
    raw = skel.load(stdin, _NETCONF, "failed to load netconf")
    if raw.get("macspoofchk"):
        raise CniError("macspoofchk: nftables' bridge tables are not modelled here, leave this field out")
    vlan = raw.get("vlan", 0)
    if not 0 <= vlan <= 4094:
        raise CniError(f"invalid VLAN ID {vlan} (must be between 0 and 4094)")
    gateway, default, force, masq, hairpin, promisc = (raw.get(name, False) for name in SWITCHES)
    asked = (raw.get("runtimeConfig", {}).get("mac"), raw.get("args", {}).get("cni", {}).get("mac"))
    return Config(
        bridge=raw.get("bridge", "cni0"),
        is_gateway=gateway or default,
        is_default_gateway=default,
        force_address=force,
        ip_masq=masq,
        mtu=raw.get("mtu", 0),
        hairpin=hairpin,
        promisc=promisc,
        vlan=vlan,
        trunk=_trunk(raw["vlanTrunk"]) if raw.get("vlanTrunk") is not None else None,
        preserve_default_vlan=raw.get("preserveDefaultVlan", True),
        enable_dad=raw.get("enabledad", False),
        mac=next(filter(None, asked), ""),
        ipam=raw.get("ipam", {}).get("type", ""),
        dns=raw.get("dns", {}),
    )


def _trunk(items: list[dict[str, int] | None]) -> tuple[int, ...]:
    """collectVlanTrunk(): the numbers of ``[{"id": 10}, {"minID": 20, "maxID": 29}]``. Raises CniError."""
    found: set[int] = set()
    for item in filter(None, items):
        low, high, one = (item.get(field) for field in ("minID", "maxID", "id"))
        if (low is None) != (high is None):
            missing = "minID" if low is None else "maxID"
            raise CniError(f"minID and maxID should be configured simultaneously, {missing} is missing")
        for number, field in ((low, "minID"), (high, "maxID"), (one, "id")):
            if number is not None and not 0 < number <= 4094:
                raise CniError(f"incorrect trunk {field} parameter")
        if low is not None and high is not None:
            if high < low:
                raise CniError("minID is greater than maxID in trunk parameter")
            found.update(range(low, high + 1))
        found.update(() if one is None else (one,))
    return tuple(sorted(found))
