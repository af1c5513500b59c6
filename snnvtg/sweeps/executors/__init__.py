"""Where the models of a sweep are trained: in processes here, as jobs of Slurm, by workers that share a folder."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snnvtg.sweeps.executors.contract import Executor

EXECUTORS = ("local", "slurm", "workers", "submitit")


def executor_of(name: str, *, workers: int, cluster: Path | None, wait: bool, lease: float) -> "Executor":
    """The executor called `name`; InputError for a cluster's file that cannot be."""
    from snnvtg.sweeps.executors.cluster_file import ClusterConfig, read_cluster

    config = read_cluster(cluster) if cluster else ClusterConfig()
    if name == "slurm":
        from snnvtg.sweeps.executors.slurm import Slurm

        return Slurm(config, wait, lease)
    if name == "workers":
        from snnvtg.sweeps.executors.workers import SharedWorkers

        return SharedWorkers(workers, lease)
    if name == "submitit":
        from snnvtg.sweeps.executors.submitit_local import SubmititLocal

        return SubmititLocal(workers, lease=lease)
    from snnvtg.sweeps.executors.local import LocalPool

    return LocalPool(workers)
