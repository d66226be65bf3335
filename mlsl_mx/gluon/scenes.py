"""A data set as gluoncv's tools take one."""

from __future__ import annotations

import mxnet as mx
import numpy as np
from gluoncv.data.segbase import SegmentationDataset

from mlsl_mx.data.datasets import SceneDataset


class GluonScenes(SegmentationDataset):
    """The scenes as items (image (H, W, 3) uint8, mask (H, W) int32 with -1 = ignore), NDArrays; or (image, name).

    Args:
        scenes: with labels, or without: then a name takes the mask's place.
        transform: of an image alone, as gluoncv has it.
    """

    def __init__(self, scenes: SceneDataset, transform=None):
        mode = "testval" if scenes.has_labels else "test"
        super().__init__(str(scenes.root), split=None, mode=mode, transform=transform)
        self.scenes = scenes

    @property
    def num_class(self) -> int:
        """C."""
        return self.scenes.classes.num_classes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int):
        image = mx.nd.array(self.scenes.image(index), dtype="uint8")
        if self.transform is not None:
            image = self.transform(image)
        if not self.scenes.has_labels:
            return image, self.scenes.names[index]
        train_ids = self.scenes.label(index).astype(np.int32)
        return image, mx.nd.array(np.where(train_ids == self.scenes.classes.ignore, -1, train_ids), dtype="int32")
