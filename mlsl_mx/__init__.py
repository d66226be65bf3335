"""MLSL in MXNet/Gluon: multi-level self-supervised learning for domain adaptation of semantic segmentation.

The way of the data: datasets -> network -> pseudo_labels -> training -> evaluation -> report, round after round.
"""

from mlsl_mx.cuda_libraries import load_cuda_libraries

__version__ = "0.1.0"

load_cuda_libraries()
