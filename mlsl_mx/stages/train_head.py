"""Stage `train-head`: the weak-label head alone (Eq. 5), where round 0 needs it and the source model has none."""

from __future__ import annotations

from functools import partial

from mlsl_mx.stages.inputs import check_files
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import head_settings
from mlsl_mx.stages.stage import open_stage
from mlsl_mx.stages.training import train_stage
from mlsl_mx.system.whole_files import file_hash, write_json
from mlsl_mx.training.epochs import head_epochs


def train_head(job: Job, checkpoint_seconds: float) -> str:
    """Train the head on the source if the job's method needs it; METHOD/head.json says whether, and with what.

    All else of the network stays as it is, so the round's pseudo-labels are those of the source model.
    """
    needed, start = job.needs_head_training(), job.weights_before(0)
    said = f"{start}: no weak-label head to train"
    if needed:
        start = job.head_folder / "weights.params"
        said = _trained(job, checkpoint_seconds)
    if job.workers.rank == 0:
        content = {"trained": needed, "start": str(start), "weights": file_hash(start)}
        write_json(job.method_folder / "head.json", content)
    return said


def _trained(job: Job, checkpoint_seconds: float) -> str:
    """The head beside the source model, which the methods of a run share: it depends on neither lambda nor eta."""
    folder, source_model = job.head_folder, job.weights_before(0)
    job.check_batch("head_training")
    with open_stage(
        job,
        "train-head",
        None,
        outputs=[folder / "weights.params", folder / ".checkpoint"],
        settings=head_settings(job),
        inputs={"weights": file_hash(source_model)},
        check=partial(check_files, job.source, "source"),
    ) as stage:
        if stage.done:
            return str(stage)
        net, report = job.network_to_train(source_model, weak_label_head=True)
        stage.log.write("start", weights=str(source_model), report=report)
        net.freeze_all_but_head()
        epochs = head_epochs(job.source, job.config.head_training, **job.for_epochs)
        train_stage(
            job,
            stage,
            net,
            epochs,
            title="weak-label head",
            checkpoint_seconds=checkpoint_seconds,
            events=job.tensorboard_folder(None) / "head",
        )
    return f"weak-label head of round 0: {stage.result}"
