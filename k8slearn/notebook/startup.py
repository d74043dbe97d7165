"""Run by each kernel of the lab as it starts (``PYTHONSTARTUP``): what ``%load_ext k8slearn`` does, before any cell.

A kernel that was restarted has forgotten the lesson's own ``%load_ext``; with this it still answers ``!kubectl`` from a
cluster and never from the computer, and says what to run first.

Left out: kernels of other environments, which have no k8slearn (nothing happens there).
"""

try:
    from IPython import get_ipython

    from k8slearn.notebook import load_ipython_extension
except ImportError:
    pass
else:
    if get_ipython() is not None:
        load_ipython_extension(get_ipython())
    del load_ipython_extension
