"""The workload controllers: each keeps a number of pods alive, and that is why pods come and go without anybody asking.

A Deployment keeps ReplicaSets, a ReplicaSet keeps pods; a DaemonSet keeps one pod on each node, a StatefulSet keeps
pods with names that last, a Job keeps pods until they have succeeded. None of them starts a container or knows a
network: they write Pods into the API, and the scheduler and the kubelets do the rest. Whose an object is stands in
its ``ownerReferences``; the garbage collector removes what lost its owner.

Left out: CronJob and ReplicationController (stored, not run), adopting orphans, partitions and surge of StatefulSets
and DaemonSets.
"""

from k8slearn.components.workloads.daemonset import DaemonSets
from k8slearn.components.workloads.deployment import Deployments
from k8slearn.components.workloads.garbage import GarbageCollector, Namespaces
from k8slearn.components.workloads.job import Jobs
from k8slearn.components.workloads.replicaset import ReplicaSets
from k8slearn.components.workloads.statefulset import StatefulSets

__all__ = ["DaemonSets", "Deployments", "GarbageCollector", "Jobs", "Namespaces", "ReplicaSets", "StatefulSets"]
