# Read by the shell of every command that runs inside a Slurm job (pipelines/study.smk).
#
# Slurm sends SIGTERM to all processes of a job step at once: `r3gan train` then saves and exits with 75. This shell and
# `tee` ignore the signal, since the step, and training with it, would end with them. (What they start ignores it too,
# unless it asks for it as `r3gan train` does: evaluation uses the time that is left.)
trap '' TERM

# Snakemake turns every failure into 1, which is too late to tell this one from others. A job that somebody cancels is
# not running any more and stays cancelled.
requeue_what_was_saved() {
  if [ $? -eq 75 ] && [ "$(squeue --noheader --jobs "$SLURM_JOB_ID" --format %T)" = RUNNING ]; then
    echo "saved; requeueing job $SLURM_JOB_ID"
    scontrol requeue "$SLURM_JOB_ID"
  fi
}
trap requeue_what_was_saved EXIT
