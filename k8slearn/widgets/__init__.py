"""Drawing a world or a trace: what a learner sees first. Everything here draws; nothing here computes a fate.

People draw a network as boxes and wires. So do we, from the rows of the world: `scene` reads the facts, `layout`
gives them places, and every face (SVG, text, a networkx graph, a matplotlib figure, two widgets) says that scene's
facts.

Reading order: scene -> layout -> picture -> journey (a packet's way over it) -> trace_view -> topology, player.

Left out: rule walker, CNI call viewer, address map, policy matrix and timeline; tunnels; more than 40 nodes
(counted).
"""
