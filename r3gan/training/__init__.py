"""Training one run, in one process or several."""

KEPT_CHECKPOINTS = 2  # unless `r3gan train --keep-checkpoints` says otherwise
