"""``kubectl apply``, ``create -f``, ``replace``, ``patch`` and ``delete``: objects in and out of the API.

Several objects are done one after the other; one that is refused does not stop the next (kubectl goes on, and ends with
exit status 1).

Left out: who owns which field (``--server-side`` says ``serverside-applied`` and merges as the ordinary one does),
prune, JSON patches.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from k8slearn import api
from k8slearn.api import ApiError, kinds, load, merge, status
from k8slearn.api.load import NotAnObject
from k8slearn.api.yamltext import BadYaml
from k8slearn.journal import Command, Key, World
from k8slearn.linux.program import Result
from k8slearn.shell.kubectl import files, written
from k8slearn.shell.kubectl.command import Doing, Flag, Kubectl, Request, fail, invalid, switch
from k8slearn.shell.kubectl.resources import NOTHING, SELECTING, found, key_of, one, wanted, warned_of

Obj = dict[str, Any]
Step = Generator[Command, None, str]
"""Does one object; returns the word that kubectl says about it (``created``)."""

NAMED: dict[str, Flag] = {
    "filename": Flag("f", many=True),
    "recursive": switch("R", idle="-f names files, not folders"),
    "kustomize": Flag("k", instead="apply plain manifests with -f"),
}
FILES: dict[str, Flag] = {**NAMED, "dry-run": Flag(bare="client", takes=False), "output": Flag("o")}
DELETING: dict[str, Flag] = {
    "force": switch(),
    "grace-period": Flag(),
    "wait": Flag(takes=False, default="true", idle="a grace period passes when the clock is advanced"),
    "timeout": Flag(idle="what is not so now comes with the clock: cluster.advance(seconds=30)"),
    "cascade": Flag(
        default="background",
        bare="background",
        instead="the owner's own go with it, as with --cascade=background",
        taken=("background", "foreground", "true"),
    ),
}
MAKING: dict[str, Flag] = {
    **FILES,
    "save-config": switch(),
    "edit": switch(instead="change the manifest first, or use kubectl patch"),
}


def objects(request: Request) -> list[Obj]:
    """The objects in the request's files. Ends with kubectl's words for text that holds none."""
    if not request.flags["filename"]:
        fail("error: must specify one of -f and -k")
    source = files.source(request)
    try:
        read = load(files.texts(request), request.namespace)
    except (BadYaml, NotAnObject) as error:
        fail(error.said(source))
    for obj in read:
        _same_namespace(request, obj)
    return read


def _same_namespace(request: Request, obj: Obj) -> None:
    own = (obj.get("metadata") or {}).get("namespace")
    if "namespace" in request.given and own and own != request.namespace:
        fail(
            f'error: the namespace from the provided object "{own}" does not match the namespace '
            f"\"{request.namespace}\". You must pass '--namespace={own}' to perform this operation."
        )


def each(request: Request, items: list[Obj], step: Callable[[Obj], Step], doing: str) -> Doing:
    """Do every object; what is refused goes to standard error, and the rest goes on."""
    out, err = "", ""
    warned: dict[str, None] = {}
    done: list[Obj] = []
    for obj in items:
        try:
            word = yield from step(obj)
            if word != "unchanged" and request.flags.get("dry-run") != "client":  # else the server is not asked
                warned |= dict.fromkeys(api.warnings(obj))
            out += f"{written.name(obj)} {word}{_dry(request)}\n"
            done.append(obj)
        except ApiError as error:
            err += error.said(doing and f'{doing} "{files.source(request)}"', files.source(request)) + "\n"
    if request.flags.get("output") and done:
        live = [request.world.get(api.key(request.world, o)) or o for o in done]
        out = written.printed(request.flags["output"], live, len(live) == 1)
    return Result(out, warned_of(warned) + err, bool(err))


def _dry(request: Request) -> str:
    return {"client": " (dry run)", "server": " (server dry run)"}.get(request.flags.get("dry-run", ""), "")


def is_dry(request: Request) -> bool:
    return request.flags.get("dry-run", "") in ("client", "server")


APPLY_FLAGS: dict[str, Flag] = {
    **FILES,
    **{
        name: Flag(flag.short, flag.takes, flag.default, idle="it belongs to --force and --prune")
        for name, flag in DELETING.items()
        if name != "force"
    },
    "force": switch(instead="delete the object and apply it again"),
    "prune": switch(instead="kubectl delete removes what is no longer wanted"),
    "overwrite": Flag(takes=False, default="true", idle="nobody else has changed what a manifest says"),
    "server-side": switch(),
}


def apply(request: Request) -> Doing:
    """``kubectl apply -f FILE``."""
    warnings: list[str] = []

    def step(obj: Obj) -> Step:
        _named(request, obj)
        wanted_obj = api.admitted(request.world, obj, request.namespace)
        key = api.key(request.world, wanted_obj)
        live = request.world.get(key)
        if live is not None and not merge.last_applied(live):
            warnings.append(_unannotated(request.world, wanted_obj))
        if not is_dry(request):
            yield from api.apply(request.world, obj, request.namespace)
        if request.flags["server-side"]:
            return "serverside-applied"
        return "created" if live is None else "unchanged" if wanted_obj is live else "configured"

    result = yield from each(request, [dict(o) for o in objects(request)], step, "error when creating")
    return result._replace(stderr="".join(warnings) + result.stderr)


def _named(request: Request, obj: Obj) -> None:
    """apply asks for what is there already, so it must know the name."""
    metadata = obj.get("metadata") or {}
    if metadata.get("name"):
        return
    if metadata.get("generateName"):
        fail(f"error: from {metadata['generateName']}: cannot use generate name with apply")
    kind = kinds.of(request.world, obj)
    version = f"{kind.group}/{kind.version}"
    fail(
        f'error: error when retrieving current configuration of:\nResource: "{version}, Resource={kind.plural}", '
        f'GroupVersionKind: "{version}, Kind={kind.kind}"\nName: "", Namespace: "{metadata.get("namespace", "")}"\n'
        f'from server for: "{files.source(request)}": resource name may not be empty'
    )


def _unannotated(world: World, obj: Obj) -> str:
    plural = kinds.of(world, obj).plural
    return (
        f"Warning: resource {plural}/{obj['metadata']['name']} is missing the {merge.LAST_APPLIED} annotation which is "
        "required by kubectl apply. kubectl apply should only be used on resources created declaratively by either "
        "kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.\n"
    )


def create_files(request: Request) -> Doing:
    """``kubectl create -f FILE``."""
    return (yield from create(request, objects(request), "error when creating"))


def create(request: Request, items: list[Obj], doing: str = "") -> Doing:
    """POST each object: ``pod/web created``."""
    if request.flags.get("dry-run") == "client" and request.flags.get("output"):
        return Result(written.printed(request.flags["output"], items, len(items) == 1))

    if request.flags.get("save-config"):
        items = [api.annotated(request.world, obj, request.namespace) for obj in items]

    def step(obj: Obj) -> Step:
        if not is_dry(request):
            key = yield from api.create(request.world, obj, request.namespace)
            obj["metadata"] = {**(obj.get("metadata") or {}), "name": str(key[2]).rpartition("/")[2]}
        return "created"

    return (yield from each(request, [dict(o) for o in items], step, doing))


def replace(request: Request) -> Doing:
    """``kubectl replace -f FILE``."""

    def step(obj: Obj) -> Step:
        if not is_dry(request):
            if request.flags["force"]:
                yield from api.deletion(request.world, api.key(request.world, obj), 0)
                yield from api.create(request.world, obj, request.namespace)
            else:
                yield from api.replace(request.world, obj)
        return "replaced"

    return (yield from each(request, objects(request), step, "error when replacing"))


PATCH_FLAGS: dict[str, Flag] = {**FILES, "patch": Flag("p"), "type": Flag(default="strategic"), "patch-file": Flag()}


def patch(request: Request) -> Doing:
    """``kubectl patch TYPE NAME -p PATCH``."""
    text = request.flags["patch"]
    if bool(text) == bool(request.flags["patch-file"]):
        two = "cannot specify --patch and --patch-file together"
        fail(f"error: {two if text else 'must specify --patch or --patch-file containing the contents of the patch'}")
    text = text or files.read(request, request.flags["patch-file"])
    kind, live = one(request, request.words)
    how = request.flags["type"]
    new = patched(live, text, "merge" if how == "strategic" and kind.table != kind.plural else how)
    before = request.world.get(key_of(kind, live))
    if not is_dry(request):
        yield from api.replace(request.world, new)
    same = request.world.get(key_of(kind, live)) is before
    word = f"patched{' (no change)' if same and not is_dry(request) else _dry(request)}"
    return Result(f"{written.name(live)} {word}\n", warned_of(api.warnings(new)))


def patched(obj: Obj, text: str, how: str) -> Obj:
    """The object with a patch of that type (``strategic`` or ``merge``) done to it."""
    if how not in ("strategic", "merge"):
        fail("error: --type must be strategic or merge: JSON patches are not modelled")
    new: Obj = merge.three_way({}, _patch(text), obj, how == "strategic")
    return new


def _patch(text: str) -> Obj:
    from k8slearn.api import yamltext

    try:
        found = yamltext.documents(text)
    except BadYaml as error:
        fail(f'error: unable to parse "{text}": {error.problem}')
    if len(found) != 1 or not isinstance(found[0], dict):
        fail(f'error: unable to parse "{text}": json: cannot unmarshal the patch into an object')
    return dict(found[0])


DELETE_FLAGS: dict[str, Flag] = {**SELECTING, **FILES, **DELETING, "all": switch(), "now": switch()}


def delete(request: Request) -> Doing:
    """``kubectl delete TYPE NAME``, ``-f FILE``, ``--all``, ``-l``."""
    grace = _grace(request)
    targets, missing = _targets(request)
    out, err = "", ""
    if request.flags["force"]:
        err = (
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely.\n"
        )
    failed = bool(missing)
    for title, key in targets:
        try:
            if not is_dry(request):
                yield from api.deletion(request.world, key, grace)
            out += _deleted(request, title, key)
        except ApiError as error:
            err += error.said() + "\n"
            failed = True
    if not targets and not missing:
        return Result("No resources found\n")
    return Result(out, err + "".join(line + "\n" for line in missing), failed)


def _deleted(request: Request, title: str, key: Key) -> str:
    if request.flags["output"] == "name":
        return f"{title}/{str(key[2]).rpartition('/')[2]}\n"
    word = "force deleted" if request.flags["force"] else "deleted"
    return f'{title} "{str(key[2]).rpartition("/")[2]}" {word}{_dry(request)}\n'


def _grace(request: Request) -> int | None:
    text = request.flags["grace-period"]
    if text and not text.lstrip("-").isdecimal():
        invalid("grace-period", text)
    if request.flags["now"]:
        return 1
    if request.flags["force"]:
        return 0
    if text == "0":
        return 1
    return int(text) if text and int(text) > 0 else None


def _targets(request: Request) -> tuple[list[tuple[str, Key]], list[str]]:
    """What is to go, as (``deployment.apps``, key), and sentences about what is not there."""
    if request.flags["filename"]:
        return _of_files(request)
    if not request.words:
        fail(NOTHING)
    wants = wanted(request.world, request.words)
    everything = request.flags["all"] or request.flags["selector"] or request.flags["field-selector"]
    if not everything and not all(w.names for w in wants):
        fail("error: resource(s) were provided, but no name was specified")
    if request.flags["all"] and any(w.names for w in wants):
        fail(
            "error: setting 'all' parameter but found a non empty selector. "
            if request.flags["selector"]
            else "error: name cannot be provided when a selector is specified"
        )
    targets: list[tuple[str, Key]] = []
    missing: list[str] = []
    for want in wants:
        got = found(request, want)
        targets += [(want.kind.singular + _group(want.kind), key_of(want.kind, o)) for o in got.objects]
        missing += got.missing
    return targets, missing


def _group(kind: kinds.Kind) -> str:
    return f".{kind.group}" if kind.group else ""


def _of_files(request: Request) -> tuple[list[tuple[str, Key]], list[str]]:
    targets, missing = [], []
    for obj in objects(request):
        try:
            kind = kinds.of(request.world, obj)
        except ApiError as error:
            missing.append(error.said(source=files.source(request)))
            continue
        metadata = obj.get("metadata") or {}
        key = kind.key(metadata.get("name", ""), metadata.get("namespace") or request.namespace)
        if request.world.get(key) is not None:
            targets.append((kind.singular + _group(kind), key))
        elif not request.flags["ignore-not-found"]:
            doing = f'error when deleting "{files.source(request)}"'
            missing.append(status.not_found(kind.resource, metadata.get("name", "")).said(doing))
    return targets, missing


COMMANDS = {
    "apply": Kubectl(apply, APPLY_FLAGS),
    "replace": Kubectl(replace, {**FILES, **DELETING}),
    "patch": Kubectl(patch, PATCH_FLAGS),
    "delete": Kubectl(delete, DELETE_FLAGS),
}
