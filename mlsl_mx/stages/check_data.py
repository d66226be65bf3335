"""`check-data`: whether every file of an experiment can be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlsl_mx.config.experiment_files import load_config
from mlsl_mx.data.check import check_dataset
from mlsl_mx.data.experiment_data import ExperimentData
from mlsl_mx.system.result import Result


def check_data(experiment: Path, settings: Sequence[str], roots: dict[str, Path | None]) -> Result:
    """Look at every file of an experiment's source, target and validation images.

    Returns: with a fault if a file is missing, unreadable or wrong.
    """
    config = load_config(experiment, None, tuple(settings))
    data = ExperimentData(config=config, roots=roots, experiment_folder=experiment.parent)
    reports = [
        check_dataset(dataset, title, patch=data.target_patch if dataset is data.target else 0)
        for title, dataset in data.titled.items()
    ]
    text = [line for report in reports for line in report.lines()]
    fault = next(filter(None, (report.fault() for report in reports)), None)
    content = {"lists": [report.content() for report in reports]}
    return Result("\n".join(text if fault else [*text, "all data can be used"]), content, fault)
