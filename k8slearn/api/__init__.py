"""Kubernetes objects and their YAML, as the API server sees them. No word of Linux here.

A manifest is read (`load`), decoded strictly against the API's own field names (`decode`), given the
server's defaults (`defaults`), judged in the server's words (`validate`), given its addresses and ports
(`allocate`) and only then let in (`admit`). What comes out is a plain dict that nobody changes any more.

Left out: API versions other than the stored one (``apps/v1beta1`` is refused as unknown, as it is today),
server-side apply's field managers, and admission webhooks.
"""
