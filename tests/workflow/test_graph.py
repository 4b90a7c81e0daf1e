"""What a plan of a large study does for each job: nothing that grows with the number of classes, nothing twice."""

import json
import subprocess
import sys

import yaml

from tests import checkout, stub_study


def told(program, folder, environment):
    """What a program prints that runs Snakemake on the study and counts something in it."""
    command = [sys.executable, "-c", program, *stub_study.command()[3:]]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


# a dry run, and how often Python was asked for the parameters of a function; then the longest pattern of a file
COUNT = """
import atexit, inspect, json, sys

asked, signature = [], inspect.signature
inspect.signature = lambda *of, **more: (asked.append(of), signature(*of, **more))[1]
from snakemake import cli, workflow

began = workflow.Workflow.execute
def execute(self, *given, **more):
    longest = max(len(str(file)) for rule in self.rules for file in (*rule.output, *rule.input))
    print(json.dumps({"asked": len(asked), "longest": longest}), flush=True)
    asked.clear()
    return began(self, *given, **more)
workflow.Workflow.execute = execute
atexit.register(lambda: print(json.dumps({"asked": len(asked)}), flush=True))
sys.argv = ["snakemake", "-n", "--quiet", "all", *sys.argv[1:]]
cli.main()
"""


def counted(folder, classes):
    """(asked in the plan, longest pattern) of a study of so many classes."""
    environment = stub_study.make(folder, classes, 1)
    said = told(COUNT, folder, environment)
    counts = [json.loads(line) for line in said.splitlines() if line.startswith('{"')]
    return counts[-1]["asked"], counts[0]["longest"]


def test_four_times_as_many_jobs_ask_for_no_more_parameters_and_their_patterns_are_as_long(tmp_path):
    few_asked, few_longest = counted(tmp_path / "few", 2)
    many_asked, many_longest = counted(tmp_path / "many", 8)
    assert many_asked == few_asked
    assert many_longest == few_longest < 300


# a dry run for a cluster: how many jobs its searches of the graph looked at, and how many groups were compared
SEARCHED = """
import atexit, sys
from snakemake import cli, dag, jobs

looked, bfs = [0], dag.DAG.bfs
def counted(self, *given, **more):
    for job in bfs(self, *given, **more):
        looked[0] += 1
        yield job
dag.DAG.bfs = counted
equal = jobs.GroupJob.__eq__
def compared(one, other):
    looked[0] += 1
    return equal(one, other)
jobs.GroupJob.__eq__ = compared
atexit.register(lambda: print("looked at", looked[0], flush=True))
sys.argv = ["snakemake", "-n", "--quiet", "all", "--profile", "slurm", *sys.argv[1:]]
cli.main()
"""


def searched(folder, classes):
    environment = stub_study.make(folder, classes, 1, ["real", "diffusion_inversion"])
    study = yaml.safe_load((folder / "study.yaml").read_text())
    (folder / "study.yaml").write_text(yaml.safe_dump({**study, "inversion": {"encoder_steps": 2}}))
    said = told(SEARCHED, folder, environment)
    return int(said.rpartition("looked at ")[2].split()[0])


def test_what_a_cluster_is_asked_for_is_looked_up_once_a_job_behind_an_encoder_of_all_images(tmp_path):
    assert searched(tmp_path / "many", 40) < 6 * searched(tmp_path / "few", 10)


# a run: how many jobs were weighed at most when one was chosen, and how often all that are left were listed
WEIGHED = """
import atexit, sys
from snakemake import cli, dag
from snakemake.scheduling import greedy

most, listed = [0], [0]
choose = greedy.Scheduler.select_jobs
def weighed(self, jobs, *given):
    most[0] = max(most[0], len(jobs))
    return choose(self, jobs, *given)
greedy.Scheduler.select_jobs = weighed
needrun = dag.DAG.needrun_jobs
def counted(self, *given, **more):
    listed[0] += 1
    return needrun(self, *given, **more)
dag.DAG.needrun_jobs = counted
atexit.register(lambda: print("weighed", most[0], "listed", listed[0], flush=True))
sys.argv = ["snakemake", "--quiet", "all", "--cores", "2", *sys.argv[1:]]
cli.main()
"""


def weighed(folder, classes):
    environment = stub_study.make(folder, classes, 1)
    said = told(WEIGHED, folder, environment)
    most, _, listed = said.rpartition("weighed ")[2].split()
    return int(most), int(listed)


def test_a_job_is_chosen_among_as_many_however_many_are_ready(tmp_path):
    few, many = weighed(tmp_path / "few", 4), weighed(tmp_path / "many", 16)
    assert many[0] <= few[0] + 2 < 16
    assert many[1] == few[1]  # not once for each job that ends


def test_a_group_that_depends_on_itself_is_still_refused(tmp_path):
    environment = stub_study.make(tmp_path / "checkout", 2, 1)
    groups = ["--groups", "extract_shard=own", "invert_shard=own", "--", "tabulate"]
    command = [one for one in stub_study.command("-n") if one not in ("--until", "tabulate")]
    run = subprocess.run(
        [*command, *groups], cwd=tmp_path / "checkout", env=environment, capture_output=True, text=True
    )
    assert run.returncode != 0
    assert "from outside the group, but they in turn depend on rule(s) extract_shard" in run.stdout + run.stderr


def test_a_file_of_a_class_that_the_study_does_not_have_is_refused_in_one_line(tmp_path):
    folder = checkout.copy(tmp_path / "checkout")
    run = checkout.snakemake(folder, "-n", target="results/digits/real/eleven/0.h5", study="config.yaml")
    assert run.returncode == 1
    said = (run.stdout + run.stderr).splitlines()
    assert [line for line in said if line.startswith(("error", "warning"))] == [
        "error: target: the folder of a class must be one of zero, one, two, three, four, five, six, seven, eight, "
        "nine; got 'eleven'"
    ]
    assert "Traceback" not in run.stdout + run.stderr
