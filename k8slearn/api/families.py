"""Which families of addresses a Service has: ``ipFamilies`` and ``ipFamilyPolicy``, settled as the API server does.

A cluster has one service range, or two (dual-stack). A Service says how many of them it wants::

    SingleStack        one family: the first of ipFamilies, or the cluster's first; what is meant when nothing is said
    PreferDualStack    both where the cluster has both, else one
    RequireDualStack   both, or it is refused

``ipFamilies`` orders them, and the first cluster IP is of the first family. Addresses alone are enough: their families
follow from them. The first address and the first family are for ever; the second comes and goes with the policy: who
asks for SingleStack gives it back. A headless Service without a selector may have any families, whatever the cluster
has: somebody else writes its endpoints (pkg/registry/core/service/storage/alloc.go: initIPFamilyFields).

Left out: nothing.
"""

from __future__ import annotations

from typing import Any

from k8slearn.api.status import bad

Obj = dict[str, Any]
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
FAMILIES = ("IPv4", "IPv6")
POLICY, IPS, KINDS = "spec.ipFamilyPolicy", "spec.clusterIPs", "spec.ipFamilies"
SEVERAL = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"


def of(text: str) -> str:
    """The family of an address or a range."""
    return "IPv6" if ":" in text else "IPv4"


def settle(spec: Obj, before: Obj, have: list[str]) -> list[str]:
    """Write both fields into the spec of a Service (`before`: as it was; empty for a new one). `have`: the cluster's
    families, the first one first. Returns the causes of a refusal."""
    if _still_prefers(spec, before):
        return []
    headless = spec.get("clusterIP") == "None"
    if not spec.get("ipFamilyPolicy"):
        anything = REQUIRE if headless and not spec.get("selector") else SINGLE
        spec["ipFamilyPolicy"] = before.get("ipFamilyPolicy") or anything
    causes = _reduced(spec, before) if before else []
    causes += _several(spec) + _inferred(spec, have)
    if causes:
        return causes
    if not (headless and not spec.get("selector")):
        causes = _possible(spec, have)
        if causes:
            return causes
        both = len(have) == 2
    else:
        both = True
    wanted = list(spec.get("ipFamilies") or have[:1])
    if spec["ipFamilyPolicy"] != SINGLE and len(wanted) == 1 and both:
        wanted += [family for family in FAMILIES if family not in wanted]
    spec["ipFamilies"] = wanted
    return []


def _still_prefers(spec: Obj, before: Obj) -> bool:
    """A Service that prefers both stays as it is when the cluster changes its mind."""
    policies = {spec.get("ipFamilyPolicy"), before.get("ipFamilyPolicy")}
    same = all(spec.get(field) and spec[field] == before.get(field) for field in ("clusterIPs", "ipFamilies"))
    return policies == {PREFER} and same


def _reduced(spec: Obj, before: Obj) -> list[str]:
    """SingleStack takes the second address away where nothing else was said of it; otherwise it has to be said."""
    causes = []
    for field, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        now, was = list(spec.get(field) or ()), list(before.get(field) or ())
        if spec["ipFamilyPolicy"] == SINGLE:
            if now == was and len(now) > 1:
                spec[field] = now[:1]
        elif len(was) == 2 and now == was[:1]:
            why = f"must be 'SingleStack' to release the secondary {what}"
            causes.append(bad(POLICY, spec["ipFamilyPolicy"], why))
    return causes


def _several(spec: Obj) -> list[str]:
    fields = (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
    many = [what for field, what in fields if len(spec.get(field) or ()) == 2]
    return [bad(POLICY, SINGLE, SEVERAL.format(what)) for what in many] if spec["ipFamilyPolicy"] == SINGLE else []


def _inferred(spec: Obj, have: list[str]) -> list[str]:
    """The families of the addresses, where the families themselves were not given."""
    causes, known = [], list(spec.get("ipFamilies") or ())
    asked = [ip for ip in spec.get("clusterIPs") or () if ip != "None"]
    for place, ip in list(enumerate(asked))[len(known) :]:
        if of(ip) not in have:
            causes.append(bad(f"{IPS}[{place}]", asked, f"{of(ip)} is not configured on this cluster"))
        known.append(of(ip))
    if known:
        spec["ipFamilies"] = known
    return causes


def _possible(spec: Obj, have: list[str]) -> list[str]:
    policy, causes = spec["ipFamilyPolicy"], []
    if policy == REQUIRE and len(have) < 2:
        causes.append(bad(POLICY, policy, "this cluster is not configured for dual-stack services"))
    for place, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in have:
            causes.append(bad(f"{KINDS}[{place}]", family, "not configured on this cluster"))
    return causes


def mismatched(spec: Obj) -> list[str]:
    """Addresses that do not fit their families, or one another (ValidateServiceClusterIPsRelatedFields)."""
    ips, wanted = spec.get("clusterIPs") or [spec.get("clusterIP") or "None"], spec.get("ipFamilies") or []
    if len(ips) > 1 and ips[0] == "None":
        return [bad(IPS, ips, "'None' must be the first and only value")]
    if ips == ["None"]:
        return []
    twice = len(ips) == 2 and of(ips[0]) == of(ips[1])
    causes = [bad(IPS, ips, "may specify no more than one IP for each IP family")] if twice else []
    for place, (ip, family) in enumerate(zip(ips, wanted, strict=False)):
        if family in FAMILIES and of(ip) != family:
            article = f"expected an {family} value as indicated by `ipFamilies[{place}]`"
            causes.append(bad(f"{IPS}[{place}]", ip, article))
    return causes


def changed(new: Obj, old: Obj) -> list[str]:
    """What may not change: the first address and the first family; the second only as the policy says
    (validateUpgradeDowngradeClusterIPs, validateUpgradeDowngradeIPFamilies). Of two specs."""
    if "ExternalName" in (new["type"], old["type"]):
        return []
    causes = []
    for field, path in (("clusterIPs", IPS), ("ipFamilies", KINDS)):
        now, was = list(new.get(field) or ()), list(old.get(field) or ())
        if not now or not was or (field == "ipFamilies" and "None" in (new.get("clusterIP"), old.get("clusterIP"))):
            continue
        kept = range(len(now)) if len(now) == len(was) else range(1)
        for place in kept:
            if now[place] != was[place]:
                causes.append(bad(f"{path}[{place if field == 'clusterIPs' else 0}]", now, "may not change once set"))
    return causes
