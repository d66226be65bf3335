"""Stage `import-weights`: a source model that somebody else has trained."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.network import load_original, save_original
from mlsl_mx.network.weights.published_weights import has_weak_label_head
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import source_settings
from mlsl_mx.stages.stage import open_stage
from mlsl_mx.stages.start_files import fitting_source_model


def import_weights(job: Job, weights: Path) -> str:
    """Take a source model in the original naming as this run's."""
    fitting_source_model(job.config, weights)
    net = job.network(has_weak_label_head(weights))
    report = load_original(net, weights, ctx=job.ctx)
    own, settings = job.source_folder / "weights.params", source_settings(job, weights=weights)
    with open_stage(job, "import-weights", None, outputs=[own], settings=settings) as stage:
        if stage.done:
            return str(stage)
        save_original(net, own)
        stage.log.write("imported", file=str(weights), report=str(report))
    return f"{weights}: {report}"
