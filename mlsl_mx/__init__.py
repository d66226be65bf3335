"""MLSL in MXNet/Gluon: multi-level self-supervised learning for domain adaptation of semantic segmentation.

Data flow: datasets -> network -> pseudo_labels -> training -> evaluation -> report, round after round.
"""

from mlsl_mx.system.mxnet_import import prepare_for_mxnet

__version__ = "0.1.0"

prepare_for_mxnet()
