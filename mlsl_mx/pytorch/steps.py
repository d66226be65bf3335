"""Training steps with PyTorch: SGD in one process or, joined by torch.distributed, in several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from mlsl_mx.config.training_settings import Optimizer
from mlsl_mx.pytorch.devices import Device
from mlsl_mx.pytorch.network import MLSLNet
from mlsl_mx.pytorch.streams import algorithms_tried, to_device
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.workers import ALONE, Workers
from mlsl_mx.training.batches import Batch

NOT_DECAYED = ("_bias", "_beta")  # which learn at twice the rate


class TorchSteps:
    """The engine's part of a training: gradients, steps and momentum, as `GluonSteps` makes them.

    m <- momentum * m - rate * (gradient + decay * w); w <- w + m. This is MXNet's SGD; PyTorch's own has the rate
    outside the momentum, which differs where the rate falls.

    Args:
        net: on its device.
        loss: (outputs, train_ids, weak_labels, is_target) -> terms by name, as `losses.composite_loss`.
        devices: of this process: one.
        workers: who share each batch.
    """

    def __init__(
        self, net: MLSLNet, optimizer: Optimizer, loss: Callable, devices: Sequence[Device], workers: Workers = ALONE
    ):
        if len(devices) > 1:
            names = ",".join(map(str, devices))
            raise InputError(
                f"ctx {names}: with PyTorch a process trains on one device: mlsl launch -n {len(devices)} -- ... "
                f"(make TRAIN_WORKERS={len(devices)}), or name one"
            )
        self.loss = loss
        self.device, self.layout = devices[0].torch, devices[0].layout
        self.workers = workers
        self.net = net.train()
        self._all = net.named_tensors()
        self._learnt = {name: tensor for name, tensor in self._all.items() if tensor.requires_grad}
        self._momentum: dict[str, torch.Tensor] = {}
        self._decay = optimizer.weight_decay
        self._momentum_factor = optimizer.momentum
        self._called: Callable = net
        if workers.count > 1:
            own = [self.device] if self.device.type == "cuda" else None
            self._called = DistributedDataParallel(net, device_ids=own)

    def gradients(self, batch: Batch) -> dict[str, float]:
        """Terms of the loss, by name, of a batch of which this worker has its part; their gradients are kept."""
        known = (
            batch.train_ids.astype(np.int64),
            batch.weak_labels.astype(np.float32),
            batch.is_target.astype(np.float32),
        )
        images = to_device(batch.images, self.device).contiguous(memory_format=self.layout)
        known = [self._gathered(to_device(values, self.device)) for values in known]
        self.net.zero_grad(set_to_none=True)
        with algorithms_tried():
            terms = self.loss(self._together(self._called(images)), *known)
            # Each process has the gradient of its own crops; DistributedDataParallel takes the mean over processes.
            (sum(terms.values()) * self.workers.count).backward()
        values = torch.stack(
            [term.detach().reshape(()) for term in terms.values()]
        ).tolist()  # waits for the device once
        return dict(zip(terms, values, strict=True))

    def _together(self, outputs):
        """The outputs of all processes; only this one's have a gradient. Normalisers are those of the whole batch."""
        if isinstance(outputs, (list, tuple)):
            return [self._together(part) for part in outputs]
        if self.workers.count == 1:
            return outputs
        parts = list(self._gathered(outputs.detach()).chunk(self.workers.count))
        parts[self.workers.rank] = outputs
        return torch.cat(parts)  # (B, C, ...)

    def _gathered(self, values: torch.Tensor) -> torch.Tensor:
        if self.workers.count == 1:
            return values
        parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(self.workers.count)]
        distributed.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    @torch.no_grad()
    def update(self, learning_rate: float) -> None:
        """One step of SGD by the gradients that are kept."""
        for twice in (False, True):
            names = [name for name in self._learnt if name.endswith(NOT_DECAYED) == twice]
            if not names:
                continue
            weights = [self._learnt[name] for name in names]
            gradients = [weight.grad for weight in weights]
            states = [self._state(name) for name in names]
            rate = learning_rate * (2 if twice else 1)
            torch._foreach_mul_(states, self._momentum_factor)
            torch._foreach_add_(states, gradients, alpha=-rate)
            if not twice:
                torch._foreach_add_(states, weights, alpha=-rate * self._decay)
            torch._foreach_add_(weights, states)

    def _state(self, name: str) -> torch.Tensor:
        if name not in self._momentum:
            self._momentum[name] = torch.zeros_like(self._learnt[name])
        return self._momentum[name]

    def momentum(self) -> dict[str, np.ndarray]:
        """Float32, by the names of parameters in weights files; empty before the first step."""
        return {name: state.cpu().numpy() for name, state in self._momentum.items()}

    @torch.no_grad()
    def set_momentum(self, saved: Mapping[str, np.ndarray]) -> None:
        """Go on with what `momentum` gave."""
        for name in self._learnt:
            if name in saved:
                self._state(name).copy_(torch.from_numpy(np.array(saved[name])))

    def is_finite(self) -> bool:
        """Whether all weights are finite numbers."""
        return bool(torch.stack([tensor.sum() for tensor in self._all.values()]).isfinite().all())
