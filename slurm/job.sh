# Sourced by every SLURM job on its node, before its steps (precommand in config.yaml).

# (site) modules, an environment, node-local scratch:
#   module load python/3.11 cuda
#   export TMPDIR=/scratch/$USER/$SLURM_JOB_ID; mkdir -p "$TMPDIR"

# SLURM restarts a requeued job under its old number, with this count and without Snakemake's knowledge
export REALGAP_RESTARTS="${SLURM_RESTART_COUNT:-0}"
echo "realgap: SLURM job $SLURM_JOB_ID on $SLURMD_NODENAME, restart $REALGAP_RESTARTS" >&2

# SIGTERM before SIGKILL (scancel, the time limit) reaches this shell as well: it waits for the step's checkpoint
trap : TERM

# What a step runs that was told to stop and has saved its state: a job that SLURM may requeue goes back to the
# queue, which is no failure. Not without end: a step that never gets on fails after 50 restarts.
if [ "$REALGAP_RESTARTS" -lt 50 ] && scontrol show job "$SLURM_JOB_ID" | grep -q "Requeue=1"; then
    export REALGAP_HAND_BACK="scontrol requeue $SLURM_JOB_ID"
fi
