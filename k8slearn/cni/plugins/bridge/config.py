"""What a configuration says to the bridge plugin, with the plugin's defaults (bridge.go: loadNetConf).

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import skel
from k8slearn.cni.decode import BOOL, INT, NETCONF, STRING, Kind, Struct
from k8slearn.cni.skel import Args
from k8slearn.cni.spec import CniError

SWITCHES = ("isGateway", "isDefaultGateway", "forceAddress", "ipMasq", "hairpinMode", "promiscMode")
_MAC: dict[str, Kind] = {"mac": STRING}
_NETCONF = Struct(
    "main.NetConf",
    {
        **NETCONF,
        **dict.fromkeys((*SWITCHES, "macspoofchk", "enabledad"), BOOL),
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
        enable_dad=raw.get("enabledad", False),
        mac=next(filter(None, asked), ""),
        ipam=raw.get("ipam", {}).get("type", ""),
        dns=raw.get("dns", {}),
    )
