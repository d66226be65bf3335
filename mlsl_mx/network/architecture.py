"""The network of the paper in numbers, which every engine builds it from: ResNet-38 and the two heads (Sec. 4.1.2).

ResNet-38 is model A1 of Wu, Shen and van den Hengel, 2016, at stride 8. Parameters bear the names of the original
release: `res4b3_branch2a_weight`, `bn4b3_branch2a_gamma`.
"""

from __future__ import annotations

from dataclasses import dataclass

# With MXNet's default, 1e-3 in a Symbol and 1e-5 in Gluon, released weights lose up to half a point of mIoU.
BATCH_NORM_EPSILON = 1.001e-5

BRANCHES = ("branch2a", "branch2b1", "branch2b2")


SEGMENTATION_DILATION = 12
# Channels at width 1: of the segmentation head's hidden layer; of the weak-label head's convolutions and hidden layer.
SEGMENTATION_HIDDEN, WEAK_LABEL_CHANNELS, WEAK_LABEL_HIDDEN = 512, 2048, 512

# What an ImageNet classifier's file has besides the trunk's tensors.
CLASSIFIER = ("linear1000_weight", "linear1000_bias")


def scaled(channels: int, width: float) -> int:
    """`channels` of the full network at `width`, at least one."""
    return max(1, round(channels * width))


@dataclass(frozen=True)
class Level:
    """The residual blocks between two resolutions or widths; one entry of each tuple per convolution of a block."""

    number: int
    blocks: int
    channels: tuple[int, ...]  # at width 1
    kernels: tuple[int, ...] = (3, 3)
    stride: int = 1  # of the first convolution and the projection
    first_dilations: tuple[int, ...] = (1, 1)  # in the first block
    dilations: tuple[int, ...] = (1, 1)  # in the other blocks

    @property
    def block_names(self) -> list[str]:
        """4a, 4b1, 4b2, ..."""
        return [f"{self.number}a"] + [f"{self.number}b{i}" for i in range(1, self.blocks)]


LEVELS = (
    Level(2, blocks=3, channels=(128, 128), stride=2),
    Level(3, blocks=3, channels=(256, 256), stride=2),
    Level(4, blocks=6, channels=(512, 512), stride=2),
    Level(5, blocks=3, channels=(512, 1024), first_dilations=(1, 2), dilations=(2, 2)),
    Level(6, blocks=1, channels=(512, 1024, 2048), kernels=(1, 3, 1), first_dilations=(1, 4, 1)),
    Level(7, blocks=1, channels=(1024, 2048, 4096), kernels=(1, 3, 1), first_dilations=(1, 4, 1)),
)


def trunk_shapes(width: float = 1.0) -> dict[str, tuple[int, ...]]:
    """Shapes of ResNet-38's tensors by their names in the release, in the order of the layers."""
    channels = scaled(64, width)
    shapes: dict[str, tuple[int, ...]] = {"conv1a_weight": (channels, 3, 3, 3)}
    for level in LEVELS:
        own = [scaled(c, width) for c in level.channels]
        for name in level.block_names:
            inputs = [channels, *own[:-1]]
            if name == level.block_names[0]:
                shapes[f"res{name}_branch1_weight"] = (own[-1], channels, 1, 1)
            for branch, before, after, kernel in zip(BRANCHES, inputs, own, level.kernels, strict=False):
                shapes.update(_normalisation(f"bn{name}_{branch}", before))
                shapes[f"res{name}_{branch}_weight"] = (after, before, kernel, kernel)
            channels = own[-1]
    return {**shapes, **_normalisation("bn7", channels)}


def segmentation_head_shapes(channels: int, num_classes: int, width: float) -> dict[str, tuple[int, ...]]:
    """Shapes of the segmentation head's tensors on a trunk of `channels`."""
    hidden = scaled(SEGMENTATION_HIDDEN, width)
    return {
        "conv6a_weight": (hidden, channels, 3, 3),
        "conv6a_bias": (hidden,),
        f"linear{num_classes}_weight": (num_classes, hidden, 3, 3),
        f"linear{num_classes}_bias": (num_classes,),
    }


def weak_label_head_shapes(channels: int, num_classes: int, width: float) -> dict[str, tuple[int, ...]]:
    """Shapes of the weak-label head's tensors on a trunk of `channels`."""
    wide, hidden = scaled(WEAK_LABEL_CHANNELS, width), scaled(WEAK_LABEL_HIDDEN, width)
    return {
        "conv61a_weight": (wide, channels, 1, 1),
        "conv61a_bias": (wide,),
        f"logistic{num_classes}_weight": (wide, wide, 3, 3),
        f"logistic{num_classes}_bias": (wide,),
        "bCls0_weight": (hidden, wide),
        "bCls0_bias": (hidden,),
        "bCls1_weight": (num_classes, hidden),
        "bCls1_bias": (num_classes,),
    }


def _normalisation(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}_{part}": (channels,) for part in ("gamma", "beta", "moving_mean", "moving_var")}
