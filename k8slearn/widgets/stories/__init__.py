"""The stories that a cluster or a trace can tell, one function each: it reads the engine and returns a `Story`.

::

    rules      the chains that a packet met, rule by rule
    tables     the routing, forwarding and neighbour tables that it asked
    calls      who called whom in a pod's life, with what, and what came of it
    addresses  the three networks, and who has which address in them
    queries    one name's lookup, query by query
    wirings    the same question under several wirings, aspect by aspect
    board      what a cluster's own signs say is wrong, before anybody has looked for the cause

Left out: chains in which nothing matched (no packet's step names them).
"""
