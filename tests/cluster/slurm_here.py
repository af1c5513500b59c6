"""A whole Slurm on this machine: munged, slurmctld and several slurmd, started, broken and stopped. Needs root."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
CONFIGURATION = """
ClusterName=rehearsal
SlurmctldHost={host}
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SlurmdTimeout=12
SlurmctldTimeout=20
KillWait=3
JobRequeue=1
ReturnToService=2
MinJobAge=10
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs=1 RealMemory=4000 State=UNKNOWN
{nodes}
PartitionName=rehearsal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def install() -> None:
    """Slurm and munge from Debian's packages, where they are not there."""
    if any(shutil.which(tool) is None for tool in NEEDED):
        command = ["apt-get", "install", "-y", "-q", "slurm-wlm", "munge"]
        subprocess.run(command, check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


class SlurmHere:
    """A cluster of `nodes` nodes whose files are in `folder`; a context that stops all it started."""

    def __init__(self, folder: Path, nodes: int):
        self.folder, self.names = folder, [f"node{number + 1}" for number in range(nodes)]
        self.configuration = folder / "slurm.conf"
        self.daemons: dict[str, subprocess.Popen] = {}
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration)}

    def __enter__(self) -> "SlurmHere":
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        host = os.uname().nodename
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={17000 + number}"
            for number, name in enumerate(self.names)
        )
        self.configuration.write_text(CONFIGURATION.format(host=f"{host}(127.0.0.1)", folder=self.folder, nodes=nodes))
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        names = {"key-file": key, "socket": self.folder / "munge.socket", "log-file": self.folder / "munged.log"}
        names |= {"pid-file": self.folder / "munged.pid", "seed-file": self.folder / "munged.seed"}
        try:
            self._start("munged", "munged", "--foreground", "--force", *(f"--{k}={v}" for k, v in names.items()))
            self.wait_for((self.folder / "munge.socket").exists)
            self.start_controller()
            for name in self.names:
                self.start_node(name)
            self.wait_for(lambda: self.states().count("idle") == len(self.names))
        except BaseException:
            self.__exit__()
            raise
        return self

    def start_controller(self) -> None:
        """Start the controller, or start it again; it finds its jobs."""
        self._start("slurmctld", "slurmctld", "-D", "-f", self.configuration)
        self.wait_for(lambda: "UP" in self.ask("scontrol", "ping"))

    def start_node(self, name: str) -> None:
        """Start a node."""
        (self.folder / f"spool-{name}").mkdir(exist_ok=True)
        self._start(name, "slurmd", "-D", "-N", name, "-f", self.configuration)

    def kill(self, name: str) -> None:
        """kill -9 of a daemon; of a node with every process of its jobs, as if its power failed."""
        os.kill(self.daemons[name].pid, signal.SIGKILL)
        self.daemons.pop(name).wait()
        for process in processes_of(name, self.folder) if name in self.names else ():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def ask(self, *command: str) -> str:
        """What a tool of Slurm says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=90)
        return done.stdout + done.stderr

    def states(self) -> list[str]:
        """The state of each node."""
        return self.ask("sinfo", "--noheader", "-N", "--format=%t").split()

    def jobs(self) -> dict[str, tuple[str, str]]:
        """State and node of every job in the queue, by its number."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%i|%T|%N").splitlines()
        return {number: (state, node) for number, state, node in (line.split("|") for line in lines)}

    def wait_for(self, seen, seconds: float = 120.0) -> None:
        """Until `seen()`."""
        end = time.monotonic() + seconds
        while not seen():
            if time.monotonic() > end:
                raise TimeoutError(f"it never came; the daemons' logs: {self.folder}")
            time.sleep(0.3)

    def _start(self, name: str, *command) -> None:
        with (self.folder / f"{name}.out").open("a") as out:
            self.daemons[name] = subprocess.Popen(
                list(map(str, command)), env=self.environment, stdout=out, stderr=out, start_new_session=True
            )

    def __exit__(self, *_) -> None:
        if "slurmctld" in self.daemons:
            self.ask("scancel", "--user=root")
        for name in [*self.names, "slurmctld", "munged"]:
            if name in self.daemons:
                self.kill(name)


def processes_of(node: str, folder: Path) -> list[int]:
    """The processes of a node's jobs: what Slurm started for it in this cluster, and the steps' own daemons."""
    wanted = {f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={folder}/slurm.conf".encode()}
    found, parents = set(), set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = set((entry / "environ").read_bytes().split(b"\0"))
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if wanted <= environment:
            found.add(int(entry.name))
            parents.add(parent)
    steps = {pid for pid in parents - found if _name(pid) == "slurmstepd"}
    return [*steps, *found]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
