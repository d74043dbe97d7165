"""The Jupyter kernel "k8slearn": the ordinary Python kernel that has loaded the extension.

A notebook that names it needs no ``%load_ext k8slearn`` cell. Committed notebooks name python3 all the same, because
not every place that shows notebooks has this kernel; the cell works everywhere.

Left out: anything that the extension (`notebook`) does not do; this is a wrapper.
"""
