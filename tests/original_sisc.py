"""The original program's SISC of one image, as a network to run ours with: `fixtures/pseudo_labels/sisc.npz`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mxnet as mx
import numpy as np
from volumes import whole_volume

from mlsl_mx.config.settings import PseudoLabels
from mlsl_mx.pseudo_labels.batching import PatchBatch
from mlsl_mx.pseudo_labels.composition import composite
from mlsl_mx.pseudo_labels.inference import segment_patches, single_inference
from mlsl_mx.pseudo_labels.maps import ImageMaps

STORED = Path(__file__).parent / "fixtures" / "pseudo_labels" / "sisc.npz"


class OriginalSISC(NamedTuple):
    """What is stored; 256x512 pixels, 25 patches of 128, 19 classes."""

    net: Callable  # looks the stored outputs up by the corner of what it is shown
    image: mx.nd.NDArray  # (3, 256, 512): each pixel says where it is
    corners: np.ndarray  # (25, 2)
    count: np.ndarray  # (256, 512)
    rows: np.ndarray  # of the volume that are stored
    volume_rows: np.ndarray  # (19, rows, 512)

    def segmented(self, settings: PseudoLabels) -> tuple[np.ndarray, np.ndarray]:
        """Our volume (19, rows, 512) and count (256, 512)."""
        parts = [single_inference(self.net, self.image, settings.flip)] if settings.start == "single" else []
        batch = PatchBatch(4, mx.cpu())
        parts.append(segment_patches(self.net, self.image, self.corners, settings.patch, settings.flip, batch))
        windows = composite(ImageMaps((256, 512), tuple(parts)), mx.cpu(), settings.upsampling, settings.votes)
        volume, count = whole_volume(windows, (256, 512))
        return volume[:, self.rows], count


def original_sisc() -> OriginalSISC:
    """Read the fixture."""
    with np.load(STORED) as content:
        stored = dict(content)
    raw, raw_patches = stored["raw"] / 65535, stored["raw_patches"] / 65535
    corners = np.stack([stored["startRow"], stored["startCol"]], axis=1)
    patch_at = {tuple(corner): i for i, corner in enumerate(corners.tolist())}

    def net(images):
        outputs = []
        for pixels in images.asnumpy():
            top, first, second = int(pixels[0, 0, 0]), int(pixels[1, 0, 0]), int(pixels[1, 0, 1])
            mirrored = int(second < first)
            left = first - 127 if mirrored else first
            outputs.append((raw if pixels.shape[2] == 512 else raw_patches[patch_at[top, left]])[mirrored])
        return mx.nd.array(np.log(np.maximum(outputs, 1e-9)))

    rows, columns = np.meshgrid(np.arange(256), np.arange(512), indexing="ij")
    image = mx.nd.array(np.stack([rows, columns, np.zeros_like(rows)]))
    volume_rows = stored["prob_rows"] / 65535 * 1.25 - 0.125
    return OriginalSISC(net, image, corners, stored["pixelCount"], stored["rows"].astype(int), volume_rows)
