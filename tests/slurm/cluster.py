"""A real SLURM on this machine: munge, slurmctld and several slurmd with fake GPUs, with or without accounting.

Everything it writes lies in one temporary folder, it listens on 127.0.0.1 on ports that were free, and every
daemon is a child of this process, so `stop` leaves nothing behind. Root is not needed. Jobs are real: SLURM
schedules, preempts, requeues, limits time and memory, and kills; only the GPUs are character devices without
anything behind them.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
ACCOUNTING_DAEMONS = ("slurmdbd", "mariadbd")
GPUS = {"gpu01": ("a100", 2), "gpu02": ("h200", 4)}
NODES = ("cpu01", "cpu02", *GPUS)
ACCOUNT = "vision"  # of the cluster with accounting; not what the profile ships
KILL_WAIT_S = 20  # between SIGTERM and SIGKILL: SLURM's default is 30
SBIN = "/usr/sbin:/sbin:/usr/local/sbin"

CONF = """
ClusterName=fixture
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# a requeued job waits for the end of its credential, 120 s by default
AuthInfo=socket={folder}/munge.socket,cred_expire=6
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdSpoolDir={folder}/spool/%n
StateSaveLocation={folder}/state
# nodes may promise more cores and memory than this machine has
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait={kill_wait}
MessageTimeout=20
MinJobAge=900
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,sched_min_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
{accounting}
NodeName=cpu01 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=64000
NodeName=cpu02 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 RealMemory=64000
NodeName=gpu01 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=8 RealMemory=64000 Gres=gpu:a100:2
NodeName=gpu02 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[4]} CPUs=16 RealMemory=128000 Gres=gpu:h200:4
PartitionName=cpu Nodes=cpu[01-02] Default=YES MaxTime=24:00:00 PriorityTier=10 PreemptMode=OFF
PartitionName=gpu Nodes=gpu[01-02] MaxTime=12:00:00 PriorityTier=10 PreemptMode=OFF
PartitionName=preempt Nodes=gpu[01-02] MaxTime=12:00:00 PriorityTier=1 PreemptMode=REQUEUE
PartitionName=killed Nodes=gpu[01-02] MaxTime=12:00:00 PriorityTier=1 PreemptMode=CANCEL
PartitionName=grace Nodes=gpu[01-02] MaxTime=12:00:00 PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
"""

WITHOUT_ACCOUNTING = "AccountingStorageType=accounting_storage/none"
WITH_ACCOUNTING = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={ports[5]}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu"""

DBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={ports[5]}
SlurmUser={user}
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[6]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""


def missing(accounting: bool) -> list[str]:
    """Programs that are not installed (Debian: slurm-wlm munge, slurmdbd mariadb-server)."""
    wanted = DAEMONS + ACCOUNTING_DAEMONS * accounting
    return [name for name in wanted if not shutil.which(name, path=f"{os.environ['PATH']}:{SBIN}")]


class Cluster:
    """A running cluster; `environment` is what a user's login shell would have."""

    def __init__(self, accounting: bool = False) -> None:
        # not pytest's own folder: the path of a socket may not exceed 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.accounting = accounting
        self.daemons: dict[str, subprocess.Popen] = {}
        self.ports = _free_ports(7)
        binaries = self.folder / "bin"
        binaries.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM")},
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{binaries}:{os.environ['PATH']}:{SBIN}",
        }
        # the plugin takes SLURM_CONF from the srun inside a job; elsewhere the file is /etc/slurm/slurm.conf
        srun = binaries / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)

    def start(self) -> "Cluster":
        for name in ("state", "spool", "dev", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir()
        values = {
            "host": socket.gethostname().split(".")[0],
            "user": getpass.getuser(),
            "folder": self.folder,
            "ports": self.ports,
            "kill_wait": KILL_WAIT_S,
        }
        accounting = WITH_ACCOUNTING.format(**values) if self.accounting else WITHOUT_ACCOUNTING
        (self.folder / "slurm.conf").write_text(CONF.format(**values, accounting=accounting))
        (self.folder / "cgroup.conf").write_text(
            "" if " 22." in self.run("slurmd", "-V") else "CgroupPlugin=disabled\n"
        )
        self._write_gres()
        self._start_munge()
        if self.accounting:
            self._start_accounting(DBD_CONF.format(**values))
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_for(lambda: len(self.idle()) == len(NODES), "all nodes to be idle")
        return self

    def stop(self) -> None:
        """End every daemon, and whatever jobs still have running, then remove the folder."""
        with contextlib.suppress(subprocess.SubprocessError):
            subprocess.run(
                ["scancel", "--user", getpass.getuser(), "--signal=KILL", "--full"],
                env=self.environment,
                timeout=20,
                capture_output=True,
            )
        for node in NODES:
            self.kill_node(node)
        for daemon in reversed(self.daemons.values()):
            _end(daemon)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str) -> str:
        """What a command of SLURM prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait_for(self, true: Callable[[], object], what: str, timeout_s: float = 60) -> object:
        """Ask until the answer is true; a command that fails meanwhile counts as no."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                if answer := true():
                    return answer
            time.sleep(0.3)
        raise TimeoutError(f"waited {timeout_s:g} s for {what}\n{self._condition()}")

    def idle(self) -> list[str]:
        lines = self.run("sinfo", "-h", "-N", "-o", "%N %T").splitlines()
        return sorted({node for node, state in map(str.split, lines) if state == "idle"})

    def jobs(self) -> list[dict[str, str]]:
        """Every job the controller remembers: id, state, partition, node, gres, cpus, memory, minutes, comment."""
        names = ("id", "state", "partition", "node", "gres", "cpus", "memory", "time", "name", "comment")
        lines = self.run("squeue", "-h", "-t", "all", "-o", "%i|%T|%P|%N|%b|%C|%m|%l|%j|%k").splitlines()
        return [dict(zip(names, line.split("|"), strict=True)) for line in lines]

    def restarts(self, job: str) -> int:
        text = self.run("scontrol", "show", "job", job)
        return int(text.split("Restarts=")[1].split()[0])

    def start_controller(self) -> None:
        self._start("slurmctld", "slurmctld", "-D")
        self.wait_for(lambda: "UP" in self.run("scontrol", "ping"), "slurmctld")

    def stop_controller(self) -> None:
        _end(self.daemons.pop("slurmctld"))

    @contextlib.contextmanager
    def configured(self, line: str) -> Iterator[None]:
        """The controller started again with a line more in its file, and once more without it."""
        file = self.folder / "slurm.conf"
        before = file.read_text()
        try:
            for text in (f"{before}\n{line}\n", before):
                self.stop_controller()
                file.write_text(text)
                self.start_controller()
                if text != before:
                    yield
        finally:
            file.write_text(before)
            if "slurmctld" not in self.daemons:
                self.start_controller()

    def start_node(self, node: str) -> None:
        self._start(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """As if its power were cut: slurmd, the keepers of its jobs and all their processes end at once."""
        if node not in self.daemons:
            return
        daemon = self.daemons.pop(node)
        daemon.kill()
        daemon.wait()
        # a keeper names neither node nor cluster, but its job's processes do
        marks = {f"SLURMD_NODENAME={node}", f"SLURM_CONF={self.folder}/slurm.conf"}
        for keeper in _processes("slurmstepd"):
            below = _descendants(keeper)
            if any(marks <= _environment(pid) for pid in below):
                for pid in (keeper, *below):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def stop_accounting(self) -> None:
        _end(self.daemons.pop("slurmdbd"))

    def start_accounting(self) -> None:
        self._start("slurmdbd", "slurmdbd", "-D")
        self.wait_for(lambda: self.run("sacctmgr", "-n", "list", "cluster") or True, "slurmdbd")

    def _start(self, name: str, *command: str) -> None:
        with open(self.folder / f"{name}.out", "a") as out:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def _write_gres(self) -> None:
        """GPUs must be character devices: without them SLURM sets no CUDA_VISIBLE_DEVICES."""
        borrowed = [Path("/dev") / name for name in ("null", "zero", "full", "random")]
        lines = []
        for node, (model, count) in GPUS.items():
            for number in range(count):
                device = self.folder / "dev" / f"nvidia{number}"
                with contextlib.suppress(PermissionError, FileExistsError):
                    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
                lines.append(
                    f"NodeName={node} Name=gpu Type={model} File={device if device.exists() else borrowed[number]}"
                )
        (self.folder / "gres.conf").write_text("\n".join(lines) + "\n")

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        names = {"key-file": key} | {
            option: self.folder / f"munge.{suffix}"
            for option, suffix in {
                "socket": "socket",
                "pid-file": "pid",
                "log-file": "log",
                "seed-file": "seed",
            }.items()
        }
        self._start("munged", "munged", "-F", "--force", *(f"--{name}={value}" for name, value in names.items()))
        self.wait_for(lambda: self.run("munge", "-n", "-S", str(names["socket"])), "munge")

    def _start_accounting(self, conf: str) -> None:
        data, sock = self.folder / "mysql", str(self.folder / "mysql.socket")
        common = ("--no-defaults", f"--user={getpass.getuser()}", f"--datadir={data}")
        self.run("mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db")
        address = (f"--socket={sock}", f"--port={self.ports[6]}", "--bind-address=127.0.0.1")
        quick = ("--skip-name-resolve", "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0")
        pid_file = f"--pid-file={self.folder}/mariadbd.pid"
        self._start("mariadbd", "mariadbd", *common, *address, *quick, pid_file, "--innodb-lock-wait-timeout=900")
        client = ("mariadb", "--no-defaults", "-u", "root", "-S", sock, "-e")
        statements = (
            "create database slurm_acct_db; create user 'slurm'@'127.0.0.1' identified by 'slurm';"
            " grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1'"
        )
        self.wait_for(lambda: self.run(*client, "select 1"), "mariadb")
        self.run(*client, statements)
        path = self.folder / "slurmdbd.conf"
        path.write_text(conf)
        path.chmod(0o600)
        self.start_accounting()
        for what in (
            ("cluster", "fixture"),
            ("account", ACCOUNT, "Cluster=fixture"),
            ("user", getpass.getuser(), f"Account={ACCOUNT}", "Cluster=fixture", f"DefaultAccount={ACCOUNT}"),
        ):
            self.run("sacctmgr", "-i", "add", *what)

    def _condition(self) -> str:
        """What somebody who looks for the reason of a failure wants to see first."""
        said = [f"{log.name}: {log.read_text(errors='replace')[-600:]}" for log in sorted(self.folder.glob("*.log"))]
        commands = (["sinfo", "-N", "-l"], ["squeue", "-t", "all"])
        for command in commands:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                said.append(self.run(*command))
        return "\n".join(said)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _end(daemon: subprocess.Popen) -> None:
    daemon.terminate()
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _processes(name: str) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text().strip() == name:
                yield int(folder.name)


def _descendants(pid: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, new = [], [pid]
    while new := [child for child, parent in parents.items() if parent in new]:
        found += new
    return found


def _environment(pid: int) -> set[str]:
    with contextlib.suppress(OSError):
        return set(Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0"))
    return set()
