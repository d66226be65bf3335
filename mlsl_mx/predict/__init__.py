"""A trained network on any images: `Predictor` in Python, `mlsl predict` for files, folders and videos.

inputs, videos, pictures are what goes in and out; record says what is there already; stage puts them in a row.
"""

from mlsl_mx.data.image_files import read_image
from mlsl_mx.system.lazy import lazily

__all__ = ["Predictor", "read_image"]

__getattr__ = lazily(__name__, {"Predictor": "mlsl_mx.predict.predictor"})  # which needs MXNet
