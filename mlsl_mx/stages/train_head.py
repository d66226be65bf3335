"""Stage `train-head`: the weak-label head alone (Eq. 5), where round 0 needs it and the source model has none."""

from __future__ import annotations

from functools import partial

from mlsl_mx.network import load_original
from mlsl_mx.stages.inputs import check_files
from mlsl_mx.stages.job import Job
from mlsl_mx.stages.recorded_settings import method_settings
from mlsl_mx.stages.stage import open_stage
from mlsl_mx.system.whole_files import file_hash, write_json
from mlsl_mx.training.epochs import head_epochs
from mlsl_mx.training.train import train


def train_head(job: Job, checkpoint_seconds: float) -> str:
    """Train the head on the source if it is needed; head.json says whether.

    All else of the network stays as it is, so the round's pseudo-labels are those of the source model.
    """
    folder, source_model, needed = job.head_folder, job.weights_before(0), job.needs_head_training()
    weights = folder / "weights.params"
    if needed:
        job.check_batch("head_training")
    inputs = {"weights": file_hash(source_model), "source": job.source.fingerprint, "seed": job.seed}
    outputs = [folder / "head.json", weights, folder / ".checkpoint"]
    settings, check = method_settings(job), partial(check_files, job.source, "source") if needed else None
    with open_stage(job, "train-head", 0, outputs=outputs, settings=settings, inputs=inputs, check=check) as stage:
        if stage.done:
            return str(stage)
        if needed:
            job.engine.seed(job.seed)
            net = job.network(weak_label_head=True)
            net.initialize(ctx=list(job.devices))
            stage.log.write("start", weights=str(source_model), report=str(load_original(net, source_model)))
            net.freeze_all_but_head()
            how = job.seed, job.readers, job.engine.losses, job.workers
            epochs = head_epochs(job.source, job.config.head_training, *how)
            events, title = job.tensorboard_folder(0) / "head", "weak-label head"
            train(net, epochs, job.devices, folder, stage.log, title, job.workers, checkpoint_seconds, events)
        start = str(weights if needed else source_model)
        if stage.first:
            write_json(outputs[0], {"trained": needed, "start": start})
    return f"weak-label head of round 0: {start}" if needed else f"{start}: no weak-label head to train"
