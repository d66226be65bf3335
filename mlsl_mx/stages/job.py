"""A job: the settings, run directory, data folders, seed, devices and workers that every stage of a run is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsl_mx.config.experiment_files import load_config
from mlsl_mx.config.settings import Config
from mlsl_mx.data.experiment_data import ExperimentData
from mlsl_mx.engine import Engine, engine_of
from mlsl_mx.network import load_original
from mlsl_mx.network.weights.published_weights import has_weak_label_head
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.processor import threads_beside
from mlsl_mx.system.whole_files import file_hash
from mlsl_mx.system.workers import ALONE, Workers

LARGEST_SEED = 2**31 - 1  # that every engine takes


@dataclass(frozen=True, kw_only=True)
class Job(ExperimentData):
    """What every stage of a run is told."""

    run: Path
    seed: int
    devices: tuple[Any, ...]  # of this process, all of one engine
    workers: Workers = ALONE  # who share the stage

    @property
    def ctx(self) -> Any:
        """The first device: all but training use one in a process."""
        return self.devices[0]

    @property
    def engine(self) -> Engine:
        """Of its devices."""
        return engine_of(self.ctx)

    @property
    def source_folder(self) -> Path:
        """The source model's folder, shared by the methods of a run."""
        return self.run / "source"

    @property
    def method_folder(self) -> Path:
        """The folder of this method's rounds."""
        return self.run / self.config.method

    def folder(self, round_index: int | None) -> Path:
        """The folder of round 0, 1, ... of this method, or (None) of the source model.

        Raises: InputError if there is no such round.
        """
        if round_index is None:
            return self.source_folder
        rounds = self.config.self_training.rounds
        if not 0 <= round_index < rounds:
            raise InputError(
                f"round {round_index}: {self.config.name} with {self.config.method} has {rounds}, from 0: raise "
                "--rounds (make ROUNDS=)"
            )
        return self.method_folder / f"round-{round_index}"

    def tensorboard_folder(self, round_index: int | None) -> Path:
        """Where TensorBoard looks for this method, or (None) for the source model; see `event_file`."""
        return self.run / "tensorboard" / ("source" if round_index is None else self.config.method)

    def weights_before(self, round_index: int) -> Path:
        """What a round starts from: the source model or the round before. Raises: InputError if it is not there."""
        return self.weights(round_index - 1 if round_index else None)

    def weights(self, round_index: int | None) -> Path:
        """What a round ends with, or (None) the source model. Raises: InputError if it is not there."""
        weights = self.folder(round_index) / "weights.params"
        if not weights.exists():
            before = "train-source or import-weights" if round_index is None else f"self-train --round {round_index}"
            raise InputError(f"{weights}: no such file: run mlsl {before} first")
        return weights

    @property
    def head_folder(self) -> Path:
        """Where a weak-label head is trained if the source model has none, for all methods of a run."""
        return self.source_folder / "head"

    def needs_head_training(self) -> bool:
        """Whether a weak-label head must be trained before round 0 (Eq. 5 on the source).

        Raises: InputError if there is no source model.
        """
        return self.config.weak_labels.wants_trained_head and not has_weak_label_head(self.weights_before(0))

    @property
    def for_epochs(self) -> dict[str, Any]:
        """What the epochs of each training are given; there are no reader threads where the network needs the cores."""
        readers = threads_beside(self.ctx.device_type)
        return {"seed": self.seed, "readers": readers, "losses": self.engine.losses, "workers": self.workers}

    def check_batch(self, stage: str) -> None:
        """Raises: InputError if several devices or workers cannot share the batches of a stage's settings."""
        check_batch(self.config, stage, len(self.devices), self.workers.count)

    def network(self, weak_label_head: bool, frozen_statistics: bool = True) -> Any:
        """The experiment's network, without weights."""
        return self.engine.network(self.config.num_classes, self.config.network, weak_label_head, frozen_statistics)

    def network_to_train(self, weights: Path, weak_label_head: bool) -> tuple[Any, str]:
        """The network with these weights on all devices, and what the file held; what it lacks is drawn by the seed."""
        self.engine.seed(self.seed)
        net = self.network(weak_label_head)
        net.initialize(ctx=list(self.devices))
        return net, str(load_original(net, weights))

    def segmentation_network(self, weights: Path) -> tuple[Callable, str]:
        """The network for inference with these weights, and their hash.

        Raises: InputError as `load_original`, or if several devices are named.
        """
        self._check_one_device()
        net = self.network(weak_label_head=False)
        load_original(net, weights, ctx=self.ctx)
        return self.engine.inference_net(net, self.config.network.precision), file_hash(weights)

    def labelling_network(self, round_index: int, own: str | None) -> tuple[Callable, str]:
        """The network that labels a round's images: with the weights before the round, or the user's own (`--net`).

        Returns: as `segmentation_network`. Raises: InputError as that and `Engine.own_network`.
        """
        if own is None:
            return self.segmentation_network(self.weights_before(round_index))
        self._check_one_device()
        return self.engine.own_network(own, self.ctx)

    def _check_one_device(self) -> None:
        """Raises: InputError if several devices are named: only training can use several devices in one process."""
        if len(self.devices) > 1:
            raise InputError(
                f"ctx names {len(self.devices)} devices, but only training uses several in one process: name one, or "
                f"share pseudo-label and evaluate among workers: mlsl launch -n {len(self.devices)} -- ..."
            )


def open_job(
    experiment: Path,
    method: str | None,
    settings: Sequence[str],
    run: Path,
    *,
    roots: dict[str, Path | None],
    seed: int,
    ctx: str,
    workers: Workers = ALONE,
) -> Job:
    """What the command line says, checked.

    Raises: InputError for a wrong experiment, method, setting, trunk, seed or device, or a precision that the device
        lacks.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"seed is {seed}: it must be between 0 and {LARGEST_SEED}")
    config, engine = load_config(experiment, method, tuple(settings)), engine_of(ctx)
    found = engine.devices(ctx)
    for one in found:
        engine.check_network(config.network, one)  # now, not after hours of training
    return Job(
        config=config,
        roots=roots,
        experiment_folder=Path(experiment).parent,
        run=Path(run),
        seed=seed,
        devices=found,
        workers=workers,
    )


def check_batch(config: Config, stage: str, devices: int, workers: int) -> None:
    """See that each batch of a training can be divided.

    Args:
        stage: "source_training", "head_training" or "self_training".
        devices: of each worker.

    Raises: InputError if it cannot.
    """
    settings, shards = getattr(config, stage), devices * workers
    fewer = "or train on fewer (make TRAIN_CTX= one device, TRAIN_WORKERS=1)"
    if settings.batch % shards:
        raise InputError(
            f"{stage}.batch is {settings.batch}: it cannot be split over {workers} workers with {devices} devices "
            f"each: set it to a multiple of {shards}, {fewer}"
        )
    if shards > 1 and stage == "source_training" and settings.start == "scratch":
        raise InputError(
            f"source_training.start is scratch: batch normalisation then needs statistics of whole batches, which "
            f"{shards} devices or workers do not exchange: start from a trunk, {fewer}"
        )
