"""ResNet-38, model A1 of Wu, Shen and van den Hengel, 2016: the trunk, at stride 8 (Sec. 4.1.2).

Seven levels of pre-activation residual blocks. Levels 2, 3 and 4 halve the resolution; from level 5 on the
convolutions are dilated instead. Blocks are nameless to Gluon (empty prefix), so that parameters bear the names of the
original release: `res4b3_branch2a_weight`, `bn4b3_branch2a_gamma`.
"""

from __future__ import annotations

from itertools import zip_longest

from mxnet import gluon
from mxnet.gluon import nn

from mlsl_mx.network.architecture import BATCH_NORM_EPSILON, BRANCHES, CLASSIFIER, LEVELS, Level, scaled
from mlsl_mx.network.layers import convolution
from mlsl_mx.network.trunks import Trunk


class BatchNormReLU(nn.HybridBlock):
    """Batch normalisation and ReLU; gamma and beta are trained.

    `frozen`: normalise with the running statistics while training too, and leave them alone, as the release does
    because its batches are of one or two crops. Otherwise they are estimated from the batches, with momentum 0.9.
    Gluon's own BatchNorm calls the statistics `running_*`; here they have the original names.
    """

    def __init__(self, name: str, channels: int, frozen: bool):
        super().__init__(prefix=f"{name}_")
        self._frozen = frozen
        with self.name_scope():
            self.gamma = self.params.get("gamma", shape=(channels,), init="ones")
            self.beta = self.params.get("beta", shape=(channels,), init="zeros")
            self.moving_mean = self.params.get(
                "moving_mean", shape=(channels,), init="zeros", grad_req="null", differentiable=False
            )
            self.moving_var = self.params.get(
                "moving_var", shape=(channels,), init="ones", grad_req="null", differentiable=False
            )

    def hybrid_forward(self, F, x, gamma, beta, moving_mean, moving_var):
        """(B, C, H, W) -> (B, C, H, W)."""
        normal = F.BatchNorm(
            x,
            gamma,
            beta,
            moving_mean,
            moving_var,
            eps=BATCH_NORM_EPSILON,
            momentum=0.9,
            fix_gamma=False,
            use_global_stats=self._frozen,
        )
        # Not F.relu: on CPUs that leaves the convolutions' memory layout, which costs a fifth of the forward pass.
        return F.Activation(normal, act_type="relu")


class ResidualBlock(nn.HybridBlock):
    """shortcut + residual, both of the input; BN and ReLU come before each convolution.

    In the first block of a level the shortcut is a 1x1 projection of the first BN + ReLU output, else the input itself.
    """

    def __init__(self, name: str, in_channels: int, level: Level, width: float, dropout: float, frozen: bool):
        super().__init__(prefix="")
        first = name == level.block_names[0]
        channels = [scaled(c, width) for c in level.channels]
        strides = [level.stride if first else 1] + [1] * (len(channels) - 1)
        dilations = level.first_dilations if first else level.dilations
        self.preactivation = BatchNormReLU(f"bn{name}_{BRANCHES[0]}", in_channels, frozen)
        self.projection = None
        if first:
            self.projection = convolution(f"res{name}_branch1", in_channels, channels[-1], 1, level.stride)
        self.residual = nn.HybridSequential(prefix="")
        for i, branch in enumerate(BRANCHES[: len(channels)]):
            inputs = in_channels if i == 0 else channels[i - 1]
            if i > 0:
                self.residual.add(BatchNormReLU(f"bn{name}_{branch}", inputs, frozen))
            if i == len(channels) - 1 and dropout > 0:
                self.residual.add(nn.Dropout(dropout))
            self.residual.add(
                convolution(f"res{name}_{branch}", inputs, channels[i], level.kernels[i], strides[i], dilations[i])
            )

    def hybrid_forward(self, F, x):
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        active = self.preactivation(x)
        shortcut = x if self.projection is None else self.projection(active)
        return shortcut + self.residual(active)


class ResNet38(Trunk, nn.HybridSequential):
    """images (B, 3, H, W) -> feature map (B, 4096 * width, H/8, W/8), the output of the last BN + ReLU.

    Args:
        width: factor of every channel count.
        dropout: rates before the last convolution of levels 6 and 7.
        frozen_statistics: see BatchNormReLU.
    """

    stride = 8
    scalable = True
    classifier = CLASSIFIER

    def __init__(self, width: float = 1.0, dropout: tuple[float, float] = (0.3, 0.5), frozen_statistics: bool = True):
        super().__init__(prefix="")
        rates = {6: dropout[0], 7: dropout[1]}
        channels = scaled(64, width)
        self.add(convolution("conv1a", 3, channels, 3))
        for level in LEVELS:
            for name in level.block_names:
                rate = rates.get(level.number, 0.0)
                self.add(ResidualBlock(name, channels, level, width, rate, frozen_statistics))
                channels = scaled(level.channels[-1], width)
        self.add(BatchNormReLU("bn7", channels, frozen_statistics))
        self.channels = channels

    def named_parameters(self) -> dict[str, gluon.Parameter]:
        """By their names in the release, which are Gluon's less the network's prefix."""
        return {name[len(self.prefix) :]: parameter for name, parameter in self.collect_params().items()}

    def fused(self, layers, images):
        """Every convolution with the BN and ReLU behind it, if nobody else reads what is between them."""
        first, *blocks, last = self
        # The first convolution has nobody but the first block's normalisation behind it.
        active = layers.convolution(images, first, blocks[0].preactivation, precision="float32")
        x = _fused_block(layers, blocks[0], layers.cast(active, layers.precision), shortcut=None)
        for block in blocks[1:]:
            x = _fused_block(layers, block, layers.normalised(x, block.preactivation), shortcut=x)
        return layers.normalised(x, last)


def _fused_block(layers, block: ResidualBlock, active, shortcut):
    """The block's output from its first BN + ReLU output and, where it has no projection, its input."""
    residual = active
    convolutions = [layer for layer in block.residual if isinstance(layer, nn.Conv2D)]
    normals = [layer for layer in block.residual if isinstance(layer, BatchNormReLU)]
    for layer, normal in zip_longest(convolutions, normals):
        residual = layers.convolution(residual, layer, normal)
    if block.projection is not None:
        shortcut = layers.convolution(active, block.projection)
    return shortcut + residual
