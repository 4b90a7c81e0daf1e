"""How jobs reach SLURM and how they are followed: Snakemake's executor plugin, with what it drops picked up.

The plugin (2.8) forgets a group that it could not submit, forgets all jobs when SLURM did not answer, waits without
end for a job that was preempted and cancelled or that SLURM no longer knows, and loses sbatch's words. Each ends here
as a failed attempt that says why, or is waited out. `install` puts this executor in the plugin's place.
"""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from realgap.cluster import slurm

# reasons of waiting jobs that time alone may not mend
_STUCK = (
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "MaxWallDurationPerJobLimit",
    "MaxMemory",
    "MaxCpuPerJob",
    "MaxGRESPerJob",
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
    "AccountNotAllowed",
    "JobHeld",
    "launch failed",
    "UnavailableNodes",
    "DRAINED",
)


def install() -> None:
    """Have Snakemake take this executor wherever `executor: slurm` is asked for."""
    registry = ExecutorPluginRegistry()
    if registry.is_installed("slurm"):
        registry.get_plugin("slurm").executor = Executor


class Executor(plugin.Executor):
    """The plugin's executor. `left` says that jobs stand in the queue which it could neither follow nor cancel."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        self.left = False
        self._over = threading.Event()
        self._one_at_a_time = threading.Lock()  # submissions
        self._known: set[str] = set()  # SLURM's numbers of the jobs that were submitted
        self._refusals: dict[int, str] = {}  # by job, what the plugin said of an attempt to submit it
        self._waiting_since: float | None = None  # since when SLURM takes no jobs
        self._silent_since: float | None = None  # since when SLURM does not say how jobs are
        self._settled: set[int] = set()
        self._odd: Counter[str] = Counter()  # by SLURM's number, how often in a row a job was in no state that ends
        self._stuck: set[str] = set()
        leave_allocation()
        super().__init__(workflow, logger)

    def __post_init__(self, test_mode: bool = False) -> None:
        try:
            super().__post_init__(test_mode)
        except WorkflowError:
            if self.max_array_size >= 2 or self.array_jobs:
                raise
            # a site without job arrays, and none is asked for: what the plugin would have done next
            self.slurm_logdir, self._partitions = plugin._select_logdir(self.workflow), None

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """The account as the profile says it: it was checked before the first job, and sbatch checks it again."""
        account = job.resources.get("slurm_account")
        yield f" -A {plugin.shlex.quote(str(account))}" if account else ""

    def run_job(self, job: Any) -> None:
        """Submit a job. What refuses it for now is waited out, what refuses it for good is its failed attempt."""
        try:
            refusal = self._submit_patiently(job)
        except Exception as error:  # the plugin drops what its thread raises, and would wait for the job for ever
            refusal = _said(error)
        if refusal is not None and not self._over.is_set():
            self._refuse(job, refusal)

    def _submit_patiently(self, job: Any) -> str | None:
        """None when it is in the queue, otherwise why it is not."""
        refusal = self._submit(job)
        for pause in slurm.pauses():
            if refusal is None:
                self._waiting_since = None
                return None
            if not slurm.heals(refusal) or not self._has_patience(refusal):
                return refusal
            if self._over.wait(pause) or self.workflow.scheduler._user_kill:
                return refusal
            if self._no_strays():
                refusal = self._submit(job)
        raise AssertionError("pauses never end")

    def _no_strays(self) -> bool:
        """Whether all jobs in the queue are known here: a controller that answers too late takes a job all the same."""
        with self._one_at_a_time:
            try:
                queued = slurm.ask("squeue", "--noheader", f"--name={self.run_uuid}", "--format=%i").split()
                strays = sorted(set(queued) - self._known)
                if strays:
                    slurm.ask("scancel", *strays)
            except (OSError, ValueError):
                return False
        return not strays

    def _report_job_submission_threadsafe(self, job_info: SubmittedJobInfo) -> None:
        self._known.add(job_info.external_jobid)
        super()._report_job_submission_threadsafe(job_info)

    def _submit(self, job: Any) -> str | None:
        """Try once; why it did not work."""
        try:
            with self._one_at_a_time:
                super().run_job(job)
        except Exception as error:  # of a group, the plugin's own handler raises
            return _said(error.__context__ or error)
        refusal = self._refusals.pop(id(job), None)
        if refusal and self._failed_nodes and "node configuration" in refusal:
            # nodes that were lost once are kept away from, until none is left
            self._failed_nodes.clear()
            return self._submit(job)
        return refusal

    def _report_job_error_threadsafe(self, job_info: SubmittedJobInfo, msg: str) -> None:
        """What the plugin calls when it could not submit."""
        _, _, words = msg.partition("The error message was '")
        said = words.partition("'.\n    sbatch call:")[0] or msg.removeprefix("Job submission failed with exception: ")
        self._refusals[id(job_info.job)] = slurm.in_one_line(said) or "sbatch failed without a word"

    def _has_patience(self, refusal: str) -> bool:
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
            self.logger.warning(f"SLURM takes no jobs now, asking again: {refusal}")
        return time.monotonic() - self._waiting_since < slurm.patience_s()

    def _refuse(self, job: Any, refusal: str) -> None:
        if todo := slurm.remedy(refusal):
            refusal = f"{refusal}; {todo}"
        # of a group Snakemake itself shows no message; `why` is for the closing summary (realgap.run.failures)
        self.logger.error(f"not submitted: {_name(job)}: {refusal}")
        self.report_job_error(SubmittedJobInfo(job), msg=f"not submitted: {refusal}. ", why=f"not submitted: {refusal}")

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """As the plugin does; the jobs it drops are followed on, and those that have ended unnoticed are ended."""
        self._settled = set()
        followed = {id(one) async for one in super().check_active_jobs(active_jobs)}
        states = await self._states() if followed else {}
        if states is None or any(id(one) not in followed | self._settled for one in active_jobs):
            self._note_silence()
            states = None
        else:
            self._silent_since = None
        for one in active_jobs:
            if id(one) not in self._settled and not (states is not None and self._has_ended(one, states)):
                yield one

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        self._settled.add(id(job_info))
        super().report_job_success(job_info)

    def report_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: Any) -> None:
        self._settled.add(id(job_info))
        super().report_job_error(job_info, msg=msg, **kwargs)

    async def _states(self) -> dict[str, tuple[str, str]] | None:
        """State and reason by SLURM's number; None where SLURM does not answer."""
        command = ("squeue", "--noheader", "--states=all", f"--name={self.run_uuid}", "--format=%i|%T|%r")
        try:
            said = await asyncio.to_thread(slurm.ask, *command)
        except (OSError, ValueError):
            return None
        return {number: (state, reason) for number, state, reason in (one.split("|", 2) for one in said.splitlines())}

    def _note_silence(self) -> None:
        """Raises WorkflowError when patience ends; the jobs are then left to a later run (realgap.run.takeover)."""
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            self.logger.warning("SLURM does not say how jobs are; asking again")
        if time.monotonic() - self._silent_since > slurm.patience_s():
            self.left = True
            raise WorkflowError(
                f"SLURM did not answer for {slurm.patience_s() / 3600:g} h ({slurm.PATIENCE}): jobs may still stand in "
                "the queue; the same command later cancels them and goes on"
            )

    def _has_ended(self, one: SubmittedJobInfo, states: dict[str, tuple[str, str]]) -> bool:
        """Whether a job that the plugin still follows has ended; tells so, and which job waits for what never comes."""
        number = one.external_jobid
        state, reason = states.get(number, ("", ""))
        if state == "PENDING" and number not in self._stuck and any(word in reason for word in _STUCK):
            self._stuck.add(number)
            self.logger.warning(
                f"SLURM job {number} ({_name(one.job)}) may not start by itself, {reason}: scontrol show job {number}"
            )
        if state not in ("", "PREEMPTED"):
            self._odd.pop(number, None)
            return False
        # a job that is preempted and requeued is in this state for moments
        self._odd[number] += 1
        if self._odd[number] < 2:
            return False
        if not state and _accounted_state(number) == "COMPLETED":
            self.report_job_success(one)
            return True
        why = "preempted, and not put back into the queue" if state else "SLURM no longer knows it"
        self.logger.error(f"SLURM job {number} ({_name(one.job)}): {why}")
        self.report_job_error(one, msg=f"{why}. ", aux_logs=[str(one.aux["slurm_logfile"])], why=why)
        return True

    def cancel(self) -> None:
        """What is not submitted stays so, then everything of this run is cancelled."""
        self._over.set()
        self._job_submission_executor.shutdown(wait=True, cancel_futures=True)
        super().cancel()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """By the run's name: also what was submitted while this began."""
        try:
            slurm.ask("scancel", f"--name={self.run_uuid}")
        except (OSError, ValueError) as error:
            self.left = True
            self.logger.error(
                f"jobs may still stand in the queue, {error}: scancel --name={self.run_uuid}, "
                "or start again, which cancels them"
            )


def leave_allocation() -> None:
    """From inside an salloc: jobs inherit nothing of it, and the place of SLURM's configuration stays known."""
    if "SLURM_JOB_ID" in os.environ:
        for name in [one for one in os.environ if one.startswith("SLURM_") and one != "SLURM_CONF"]:
            del os.environ[name]


def _name(job: Any) -> str:
    if job.is_group():
        return f"group {job.groupid} of {len(job.jobs)} jobs"
    wildcards = "".join(f" {name}={value}" for name, value in job.wildcards_dict.items())
    return f"{job.rule.name}{wildcards}"


def _said(error: BaseException) -> str:
    return slurm.in_one_line(str(error)) or type(error).__name__


def _accounted_state(number: str) -> str:
    try:
        return slurm.ask("sacct", "-X", "-n", "-P", "-j", number, "-o", "State").strip()
    except (OSError, ValueError):
        return ""
