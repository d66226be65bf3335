"""Stage `spatial-prior`: where each class is in source images, for CBST-SP."""

from __future__ import annotations

from mlsl_mx.pseudo_labels.prior_files import keep_prior
from mlsl_mx.stages.job import Job


def spatial_prior(job: Job) -> str:
    """Compute or import the run's spatial prior and plot it, whether or not the method uses it."""
    path = keep_prior(job.run, job.source, job.config.selection.prior_file)
    return f"spatial prior: {path}, plotted in {path.with_suffix('.png')}"
