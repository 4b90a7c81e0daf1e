"""What a plan of a large study does for each job: nothing that grows with the number of classes, nothing twice."""

import json
import subprocess
import sys

from tests import stub_study

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
    command = [sys.executable, "-c", COUNT, *stub_study.command()[3:]]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"')]
    return told[-1]["asked"], told[0]["longest"]


def test_four_times_as_many_jobs_ask_for_no_more_parameters_and_their_patterns_are_as_long(tmp_path):
    few_asked, few_longest = counted(tmp_path / "few", 2)
    many_asked, many_longest = counted(tmp_path / "many", 8)
    assert many_asked == few_asked
    assert many_longest == few_longest < 300
