"""nft's commands: ``add``, ``create``, ``insert``, ``replace``, ``delete``, ``flush``, ``rename``, ``list``, ``get``,
``reset``.

A text is a row of commands, each on its own line, or whole tables as ``nft list`` prints them. All of it is one
transaction: `run` works on a `Store` and the caller writes it, or nothing.

Left out: ``include``, ``monitor``, ``import``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.linux.nft import listing, validate
from k8slearn.linux.nft.adding import OBJECTS, add
from k8slearn.linux.nft.batch import KERNEL, OTHER_FAMILIES, Batch, Because, Form
from k8slearn.linux.nft.placing import insert, replace_rule
from k8slearn.linux.nft.removing import delete, flush, rename
from k8slearn.linux.nft.scan import Cursor, Source, scan, substitute
from k8slearn.linux.nft.showing import get, reset, show
from k8slearn.linux.nft.store import Store
from k8slearn.linux.nft.values import FAMILIES


def run(
    store: Store, text: str, name: str = "", handles: bool = False, because: Because = "", form: Form = listing
) -> str:
    """Do every command of a text on the draft; returns what ``list`` and ``get`` print. CommandError in nft's words.

    `name` is the file's, which stands before complaints; `because` is kept with every rule that is made (a mapping: by
    chain); `form` is `listing` for text or `as_json`."""
    source = Source(substitute(text), name)
    cursor = Cursor(source, scan(source))
    batch = Batch(store, cursor, handles, because, form)
    cursor.skip_lines()
    while cursor.at < cursor.stop:
        command(batch)
        if cursor.at < cursor.stop and cursor.text not in ("\n", ";"):
            cursor.unexpected("end of file or newline or semicolon")
        cursor.skip_lines()
    for (family, table), (start, end) in batch.touched.items():
        found = validate.problem(store, family, table)
        if found:
            raise source.complain(start, end + 1, f"{KERNEL}{found}")
    return "".join(batch.printed)


def command(batch: Batch) -> None:
    """One command; without a verb it adds."""
    cursor, start = batch.cursor, batch.cursor.place
    verb = cursor.text
    if verb in OBJECTS or verb in (*FAMILIES, *OTHER_FAMILIES):
        verb = "add"
    elif verb in VERBS:
        cursor.take()
    elif verb in NOT_HERE:
        raise cursor.source.complain(start, cursor.token.end, f"`{verb}` is not modelled here")
    else:
        cursor.take()
        cursor.unexpected("string")
    VERBS[verb](batch, verb, start)


NOT_HERE = ("include", "monitor", "import", "export", "describe")
VERBS: Mapping[str, Callable[[Batch, str, int], None]] = {
    "add": add,
    "create": add,
    "insert": insert,
    "replace": replace_rule,
    "delete": delete,
    "flush": flush,
    "rename": rename,
    "list": show,
    "get": get,
    "reset": reset,
}
"""A command's first word -> what does it."""
