"""``python -m k8slearn.jupyter -f CONNECTION_FILE``: what the kernelspec starts.

Left out: installing the kernelspec (the wheel's shared data does).
"""

from __future__ import annotations

from ipykernel.kernelapp import IPKernelApp

from k8slearn.jupyter.kernel import K8slearnKernel

if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=K8slearnKernel)
