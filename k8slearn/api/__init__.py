"""Kubernetes objects and their YAML, as the API server sees them. No word of Linux here.

A manifest is read (`load`), decoded strictly against the API's own field names (`decode`), given the
server's defaults (`defaults`), judged in the server's words (`validate`), given its addresses and ports
(`allocate`) and only then let in (`admit`). What comes out is a plain dict that nobody changes any more.

The requests, as other floors use them: `apply`, `create`, `replace` and `delete` are generators of commands;
`get` only reads.

Left out: API versions other than the stored one (``apps/v1beta1`` is refused as unknown, as it is today),
server-side apply's field managers, and admission webhooks.
"""

from k8slearn.api.admit import EPOCH, annotated, key, seconds, timestamp
from k8slearn.api.admit import admit as admitted
from k8slearn.api.deletion import delete, deletion, finish_namespace, get, known
from k8slearn.api.legacy import shown
from k8slearn.api.load import load, read
from k8slearn.api.requests import apply, create, replace
from k8slearn.api.status import ApiError
from k8slearn.api.warnings import warnings

__all__ = [
    "EPOCH",
    "ApiError",
    "admitted",
    "annotated",
    "apply",
    "create",
    "delete",
    "deletion",
    "finish_namespace",
    "get",
    "key",
    "known",
    "load",
    "read",
    "replace",
    "seconds",
    "shown",
    "timestamp",
    "warnings",
]
