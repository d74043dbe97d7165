"""The stories that a cluster or a trace can tell, one function each: it reads the engine and returns a `Story`.

::

    rules      the chains that a packet met, rule by rule
    tables     the routing, forwarding and neighbour tables that it asked

Left out: chains in which nothing matched (no packet's step names them).
"""
