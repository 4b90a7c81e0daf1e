# A run, on this machine or a cluster: what it will ask for, who follows it, what failed, what it passed over.
# The sites' side is in slurm/.
import asyncio
import atexit
import gc
import inspect
import logging
import threading
from collections import Counter
from collections.abc import Sequence
from functools import cache, cached_property
from itertools import takewhile
from snakemake import common as snakemake_common, rules as snakemake_rules
from snakemake.dag import DAG
from snakemake.resources import GroupResources
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.enums import Quietness

# A graph is millions of objects that live to the end. To look through them for what is left over takes a seventh of a plan.
gc.set_threshold(50_000, 20, 100)

# Told to end (SIGTERM), Snakemake 9.27 takes a lock in its signal handler that the code it interrupts may hold, and hangs:
# in a thread it waits for its turn.
_END = JobScheduler.exit_gracefully
JobScheduler.exit_gracefully = lambda *told: threading.Thread(target=_END, args=told).start()


def parameters(function):
    """The parameters of a function that a rule has, which Snakemake (9.27) asks for with every value of every job.

    Remembered where Snakemake looks first: asked anew they take a fifth of a dry run of 24,000 jobs.
    """
    own = getattr(function, "__func__", function)
    if not hasattr(own, snakemake_common.FUNC_OVERWRITE_PARAMS_ATTR):
        try:
            snakemake_common.overwrite_function_params(own, inspect.signature(function).parameters)
        except AttributeError:  # of a builtin
            return inspect.signature(function).parameters
    return getattr(own, snakemake_common.FUNC_OVERWRITE_PARAMS_ATTR)


snakemake_common.get_function_params = snakemake_rules.get_function_params = parameters

# Whether a group of jobs depends on itself by way of others, Snakemake (9.27) looks up twice, for each input of each job
# anew, through all that the input was made of: for thousands of shards that an encoder of all images predicts, without end.
# Here it is looked up once for all inputs of a group. Where it does, Snakemake's own look-up says how.
_VALIDATE_GROUP, _CHECK_GROUPS = DAG.validate_group, DAG._check_groups


def depths(dag):
    """How many jobs lie one behind the other up to each, itself included: what a job depends on is less deep."""
    found, waiting = {}, list(dag.jobs)
    while waiting:
        before = dag._dependencies[waiting[-1]]
        missing = [one for one in before if one not in found]
        waiting.extend(missing)
        if not missing:
            found[waiting.pop()] = 1 + max((found[one] for one in before), default=0)
    return found


def depends_on_itself(dag, jobs, too_early=lambda job: False):
    """Whether some of these jobs depend on others of them by way of further ones; none is behind one that is too early."""
    before = {one for job in jobs for one in dag._dependencies[job]} - jobs
    return any(one in jobs for one in dag.bfs(dag._dependencies, *before, stop=too_early))


def validate_group(dag, group):
    """Of jobs that follow one another; a job alone cannot depend on itself."""
    if len(group.jobs) > 1 and depends_on_itself(dag, set(group.jobs)):
        _VALIDATE_GROUP(dag, group)


def check_groups(dag):
    """Of the groups as they are submitted: each once."""
    depth = depths(dag)
    for jobs in {id(group): set(group) for group in dag._group.values()}.values():
        first = min(depth[job] for job in jobs)
        if depends_on_itself(dag, jobs, lambda job: depth[job] < first):
            _CHECK_GROUPS(dag)


def ready(dag, job):
    """Whether a job waits for none outside its group. Snakemake asks after each job that ends for all that wait for it,
    and compares the groups of all that these depend on: a training depends on thousands of shards.
    """
    group = dag._group.get(job)
    if group is None:
        return dag._n_until_ready[job] == 0

    def waits_inside(one):
        return dag._n_until_ready[one] == sum(other in dag._dependencies[one] for other in group.jobs)

    return waits_inside(job) and all(map(waits_inside, group.jobs))


DAG.validate_group, DAG._check_groups, DAG._ready = validate_group, check_groups, ready

# With each job that ends Snakemake (9.27) weighs all that are ready, and lists all that are left: in the graph of ImageNet
# 40 ms for each of 20,000 jobs.
_REMAINING = JobScheduler.remaining_jobs


class Later(Sequence):
    """Jobs that are listed where they are looked at: of Snakemake's schedulers its linear programme alone does."""

    def __init__(self, found):
        self.found = found

    @cached_property
    def jobs(self):
        return self.found()

    def __getitem__(self, at):
        return self.jobs[at]

    def __len__(self):
        return len(self.jobs)


def offered(scheduler):
    """As many of the ready jobs of each rule as could begin now, as jobs of a rule hardly differ in what they ask for."""
    if scheduler.dryrun:  # all of them begin
        return list(scheduler.workflow.dag.ready_jobs)
    free = (scheduler.resources.get(name) for name in ("_cores", "_nodes"))
    most = max(1, min(number for number in free if isinstance(number, int)))
    found, counted = [], Counter()
    for job in scheduler.workflow.dag.ready_jobs:
        one = next(iter(job.jobs)) if job.is_group() else job
        kind = one.rule, job.priority, job.attempt
        counted[kind] += 1
        if counted[kind] <= most:
            found.append(job)
    return found


JobScheduler.open_jobs = property(offered)
JobScheduler.remaining_jobs = property(lambda scheduler: Later(lambda: _REMAINING.fget(scheduler)))

FAILURES = failures.Recorder()
REFUSED = []  # whether this run has stopped because of what is not known

if workflow.is_main_process:
    logging.getLogger("snakemake.logging").addHandler(FAILURES)
    atexit.register(lambda: print(passed_over(), end="", file=sys.stderr))
    atexit.register(lambda: print(not_known(), end="", file=sys.stderr))
    if not workflow.output_settings.dryrun:
        submission.install()
        atexit.register(lambda: records.keep(OUT, finished_jobs()))
        if not only_asks():
            try:
                for line in takeover.take_over():
                    logging.getLogger("snakemake.logging").warning(line)
            except (OSError, ValueError) as error:
                sys.exit(f"error: {error}")
    else:
        if not {"-p", "--printshellcmds", "--verbose"} & set(sys.argv):
            dry_run.be_short()
        atexit.register(lambda: print(end=planned_requests()))
        if "REALGAP_COUNT" in os.environ:
            atexit.register(lambda: files.write(os.environ.get("REALGAP_COUNT"), json.dumps(counted()).encode()))
        atexit.register(lambda: print(end="".join(f"{line}\n" for line in code_that_changed())))


def check_site():
    """Before anything is fetched or submitted: that nobody else writes there, and SLURM allows what this run asks for."""
    if only_asks():
        return
    scheduler = workflow.scheduler
    try:
        for line in takeover.check_elsewhere(Path(OUT)):
            logging.getLogger("snakemake.logging").warning(line)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    if not isinstance(scheduler._executor, submission.Executor):
        return
    # what a step asks for hardly differs from job to job
    asked = [{**entry.resources, "step": " + ".join(entry.rules)} for entry in entries(one_of_each=True)]
    if not asked:
        return
    say, jobs = logging.getLogger("snakemake.logging").warning, scheduler.global_resources["_nodes"]
    try:
        allowed = checks.check(asked, say, jobs)
        for line in checks.warnings(asked):
            say(line)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    if allowed < jobs:
        say(
            f"jobs: {allowed} at once instead of {jobs}, the queue takes no more of this user's (sacctmgr show assoc,qos)"
        )
        scheduler.global_resources["_nodes"] = scheduler.resources["_nodes"] = allowed


def follow():
    """Tell a later run which jobs of the cluster are this one's."""
    executor = workflow.scheduler._executor
    if isinstance(executor, submission.Executor):
        locks = workflow.persistence._lockfile.values()
        try:
            takeover.register(executor.run_uuid, locks, keep=lambda: executor.left, results=Path(OUT))
        except OSError as error:
            sys.exit(f"error: {error.strerror}")


def follow_progress():
    """Say on the terminal how far the run is, and write it down for `snakemake status`."""
    logger, executor, jobs = logging.getLogger("snakemake.logging"), workflow.scheduler._executor, {}
    for job in workflow._dag.needrun_jobs(exclude_finished=False):
        if not job.rule.norun:
            jobs.setdefault(job.rule.name, []).append(job)
    order = [rule.name for rule in workflow.rules if rule.name in jobs]
    run = executor.run_uuid if isinstance(executor, submission.Executor) else ""
    state = progress.new(config["study"], {name: len(jobs[name]) for name in order}, run)
    planned = {name: planned_s(name, jobs[name][:20]) for name in order}
    quiet = {"quietness": Quietness.PROGRESS}
    progress.Follower(state, planned, Path(OUT), lambda line: logger.info(line, extra=quiet)).follow(logger)


def planned_s(name, jobs):
    """Seconds that a job of a rule takes on average, by the plan; each takes a moment.

    Of the host the plan asks for generously: steps of the default study took a tenth of it at most.
    """
    if name not in WORK:
        return 1.0
    work = plan.total(WORK[name](job.wildcards) for job in jobs)
    return 1 + (3600 * work.device_hours(**config["plan"]) + work.host_s / 10) / len(jobs)


def jobs_of_entry():
    """What an entry of a cluster's queue is to run on its node; its settings are not known yet when this is read."""
    after = sys.argv[sys.argv.index("--target-jobs") + 1 :] if "--target-jobs" in sys.argv else []
    return list(takewhile(lambda word: not word.startswith("--"), after))


def code_that_changed():
    """A line for each step that runs again because its code is another than when its files were made."""
    dag, order = getattr(workflow, "_dag", None), [rule.name for rule in workflow.rules]
    jobs = dag.needrun_jobs(exclude_finished=False) if dag is not None else []
    digests, asked = {}, Counter()
    for job in jobs:
        change, now = dag.reason(job).params_changed, job.params.get("code")
        if not change and now and asked[job.rule.name] < 20:  # Snakemake does not ask where inputs are made again
            asked[job.rule.name] += 1
            change = workflow.persistence.params_changed(job)
        if change and repr(now) in change.only_new:
            digests.setdefault((job.rule.name, now), set()).update(old.strip("'") for old in change.only_old)
    told = sorted(digests.items(), key=lambda item: order.index(item[0][0]))
    return changes.lines((rule, before, provenance.definitions(now)) for (rule, now), before in told)


def say_which_code_changed():
    """Before the run starts; what the code is now is kept for the next run to compare with."""
    for line in code_that_changed():
        logging.getLogger("snakemake.logging").warning(line)
    for digest in {job.params.get("code") for job in workflow._dag.jobs if job.params.get("code")}:
        changes.keep(digest, provenance.definitions(digest))
    changes.prune()


def choose_when_jobs_end():
    """Drop Snakemake's default limit of 100 new jobs a second, if no other was asked for.

    With a limit, each round in which jobs wait asks for one more a second later, and so does each job that ends: after
    n jobs Snakemake (9.27) chooses among all that wait n times a second, in n threads.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def passed_over():
    """A line, if files of the study are missing that were not asked for because what was made of them is there.

    None after an error: where an input is missing, Snakemake leaves its graph half made.
    """
    if FAILURES.any:
        return ""
    dag = getattr(workflow, "_dag", None)
    settled = [] if dag is None else [job for job in dag.jobs if not dag.needrun(job)]
    made = sorted(file for job in settled for file in job.output if file.startswith(f"{OUT}/"))
    missing = [file for file in made if not os.path.exists(file)]
    if not missing:
        return ""
    more = f" and {len(missing) - 1} more" if missing[1:] else ""
    return (
        f"\nwarning: {missing[0]}{more}: missing and not made again, because what was made of it is there; that may be of"
        " other options than this study's. `snakemake table` makes again all that the table stands on, `snakemake`"
        " whatever is missing\n"
    )


def finished_jobs():
    """Outputs and Snakemake's record of each job whose files are there, for `snakemake adopt`."""
    dag = getattr(workflow, "_dag", None)
    for job in [] if dag is None else dag.jobs:
        outputs = [str(path) for path in job.output]
        if not outputs or not all(os.path.exists(path) and path.startswith(f"{OUT}/") for path in outputs):
            continue
        record = workflow.persistence.metadata(job.output[0])
        if record is not None and not asyncio.run(workflow.persistence.incomplete(job)):
            yield outputs, dict(record.items())


def not_known():
    """A line, if there are files of which nothing says how they were made: Snakemake would take them as they are."""
    dag = getattr(workflow, "_dag", None)
    if dag is None or FAILURES.any:
        return ""
    # it remembers that the record of the last job was not there before it was written
    workflow.persistence.deactivate_cache()
    jobs = (job for job in dag.jobs if job.output and not dag.reason(job).forced)
    there = (job for job in jobs if all(map(os.path.exists, job.output)))
    strange = sorted(path for job in there if not workflow.persistence.has_metadata(job) for path in job.output)
    if not strange:
        return ""
    more = f" and {len(strange) - 1} more" if strange[1:] else ""
    return (
        f"\n{'error' if REFUSED else 'warning'}: {strange[0]}{more}: Snakemake has no record of how it was made, as in a copy without .snakemake/. "
        "`snakemake adopt` takes over what is whole; what is not is made again\n"
    )


def refuse_what_is_not_known():
    """Before the first job: nothing is made of files that may be another study's, and nothing of value is made again."""
    if not_known():
        REFUSED.append(True)
        sys.exit(1)


def say_what_failed():
    command = failures.command_line(workflow.dag_settings.targets, sys.argv[1:])
    failed = [job for one in workflow.scheduler.failed for job in (one.jobs if one.is_group() else [one])]
    text = failures.summary(failed, FAILURES.attempts, command)
    if text:
        logging.getLogger("snakemake.logging").error(text)


@cache
def fit_groups():
    """Let no entry of the queue ask for more than a day: long jobs share one in smaller groups than the profile says.

    Snakemake reads the profile's groups after the rules, and forms them when its graph is whole.
    """
    asked = dict(workflow.group_settings.group_components)
    for group in set(workflow.group_settings.overwrite_groups.values()):
        # jobs of several rules that follow one another, as train and evaluate do, count as one
        members = [name for name, own in workflow.group_settings.overwrite_groups.items() if own == group]
        if group in asked:
            asked[group] = sizes.together(asked[group], sum(map(longest_minutes, members)))
    workflow.group_settings.group_components = asked


def entries(one_of_each=False):
    """What this run would put into a cluster's queue; or one entry of each kind, which for thousands takes less time."""
    dag, order = getattr(workflow, "_dag", None), [rule.name for rule in workflow.rules]
    jobs = dag.needrun_jobs(exclude_finished=False) if dag is not None else []
    jobs = sorted((job for job in jobs if not _on_login_node(job.rule)), key=lambda job: order.index(job.rule.name))
    found, groups = [], set()
    for job in jobs:
        group = dag._group.get(job)
        members = [job] if group is None else group.jobs
        names = tuple(sorted({member.rule.name for member in members}, key=order.index))
        if id(group) in groups or one_of_each and any(names == entry.rules for entry in found):
            continue
        # a dry run takes groups for local ones, whose jobs run side by side
        asked = (
            dict(job.resources.items())
            if group is None
            else GroupResources.basic_layered(group.toposorted, workflow.global_resources, run_local=False)
        )
        groups |= set() if group is None else {id(group)}
        found.append(resources.Entry(names, len(members), asked))
    return found


def planned_requests():
    """The table of requests of a dry run that knows of a cluster; nothing otherwise."""
    if not any("slurm_partition" in entry.resources for entry in entries(one_of_each=True)):
        return ""
    asked = entries()
    return f"\n{resources.table(asked)}\n"


def counted():
    """What the plan is made of: for each rule of the graph its jobs, those to do, and the work of all of them."""
    dag = getattr(workflow, "_dag", None)
    by_rule = {}
    for job in [] if dag is None else dag.jobs:
        if not job.rule.norun:
            by_rule.setdefault(job.rule.name, []).append(job)
    unknown = [name for name in by_rule if name not in WORK]
    rows = []
    for name, jobs in by_rule.items():
        work = WORK.get(name) and vars(plan.total(WORK[name](job.wildcards) for job in jobs))
        rows.append({"rule": name, "jobs": len(jobs), "left": sum(map(dag.needrun, jobs)), "work": work})
    order = [rule.name for rule in workflow.rules]
    return {"unknown": unknown, "rows": sorted(rows, key=lambda row: order.index(row["rule"]))}


def _on_login_node(rule):
    return rule.norun or rule.name in workflow._localrules


def reads(job, name):
    """Whether a job needs what the target `name` fetches; steps with a base model have its weights among their params."""
    if name == "fetch_base_model":
        return "weights" in job.params.keys()
    if name == "fetch_weights":
        return bool(job.params.get("begins_at"))
    return job.rule.name.startswith("extract_")


def to_fetch():
    """The targets that the jobs of this run need and whose files are not there."""
    dag = getattr(workflow, "_dag", None)
    jobs = [] if dag is None else list(dag.needrun_jobs(exclude_finished=False))
    missing = [name for name in MARKERS if lacking(name)]
    return [name for name in missing if any(reads(job, name) for job in jobs)]


def lacking(name):
    """The files that a target is to fetch and that are not there."""
    return [marker for marker in MARKERS[name] if not os.path.exists(marker)]


def fetch():
    """Before a run starts; a failure ends it with the step's own line."""
    for name in to_fetch():
        step = [sys.executable, "-m", STEPS[name], "--options", workflow.get_rule(name).params.options]
        if subprocess.run(step, env={**os.environ, "PYTHONPATH": "workflow"}).returncode:
            sys.exit(1)


if workflow.is_main_process and workflow.output_settings.dryrun:
    atexit.register(
        lambda: print(end="".join(f"before that: {name}, no {', '.join(lacking(name))}\n" for name in to_fetch()))
    )
