# The study in one line: real images -> VAE moments -> inversion -> samples -> training sets -> classifiers -> report.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


# used with --sdm apptainer alone; built from envs/Apptainer.def
container: "realgap.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/run.smk"


report: "workflow/report/workflow.rst"


include: "workflow/rules/data.smk"
include: "workflow/rules/fetching.smk"
include: "workflow/rules/inversion.smk"


if AMORTISED:

    include: "workflow/rules/amortised.smk"


include: "workflow/rules/sampling.smk"
include: "workflow/rules/released.smk"
include: "workflow/rules/privacy.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/policy.smk"
include: "workflow/rules/full_size.smk"
include: "workflow/rules/classifier.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/reported.smk"
include: "workflow/rules/analyses.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/cost.smk"
include: "workflow/rules/status.smk"
include: "workflow/rules/beginning.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/verify.smk"


# the jobs of a queue entry run one after another on its node
if workflow.remote_exec and len(jobs_of_entry()) > 1 and not workflow.deployment_settings.deployment_method:
    warm.start(in_turn=True)


rule all:
    default_target: True
    input:
        # by name: Snakemake passes over a file that is missing, deleted or in the middle of a change, while what was made
        # of it is there
        artefacts(),


rule table:
    input:
        rules.tabulate.output,
        # likewise
        under_table(),


onstart:
    refuse_what_is_not_known()
    check_site()
    fetch()
    # steps of a run on this machine start in moments; on a cluster the login node is left alone
    heavy = not set(workflow.dag_settings.targets) <= LIGHT_TARGETS or not workflow.dag_settings.targets
    if heavy and workflow.local_exec and not workflow.deployment_settings.deployment_method:
        warm.start()
    say_which_code_changed()
    follow()
    if heavy:
        follow_progress()
    choose_when_jobs_end()


onerror:
    say_what_failed()
