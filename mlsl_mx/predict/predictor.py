"""A weights file as a function from images to classes: the Python side of `mlsl predict`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlsl_mx.config.class_table import check_class_order, classes_of_weights
from mlsl_mx.config.classes import ClassSet
from mlsl_mx.config.setting import check_each
from mlsl_mx.config.settings import Network, PseudoLabels
from mlsl_mx.engine import one_device
from mlsl_mx.network import load_original
from mlsl_mx.network.weights.published_weights import describe_segmentation
from mlsl_mx.predict.pictures import overlay
from mlsl_mx.pseudo_labels.maps import ImageMaps
from mlsl_mx.pseudo_labels.segmenter import Segmenter
from mlsl_mx.system.errors import InputError

SINGLE = PseudoLabels(inference="single")


class Predictor:
    """Segments images by a source or adapted model; number of classes and width are found in its file.

        predictor = Predictor("weights.params")
        train_ids = predictor.predict(read_image("street.png"))

    Args:
        weights: `.params` in the naming of the original release, as a run has them.
        classes: names and colours of the classes; None: those that `classes_of_weights` finds.
        settings: single inference of the whole image, flip-averaged, as evaluation does it; or SISC.
        ctx: "cpu" or "gpu(0)"; with PyTorch "cuda:0", "mps" or "torch:cpu".
        precision: "float32", "bfloat16" (CPUs that have it) or "float16" (GPUs); with PyTorch "tf32", too.
        seed: of random patch positions.

    Attributes: `weights`; `classes`, a ClassSet; `ctx`; `segmenter`, with the network and its settings.
    Raises: InputError for a file that is no segmentation network, a table of another number of classes or as
        `check_class_order`, settings out of their limits, an unknown device, several, or a precision that it lacks.
    """

    def __init__(
        self,
        weights: Path | str,
        classes: ClassSet | None = None,
        *,
        settings: PseudoLabels = SINGLE,
        ctx: str = "cpu",
        precision: str = "float32",
        seed: int = 0,
    ):
        check_each(settings, "pseudo_labels.")
        engine, self.ctx = one_device(ctx, "a prediction is made")
        self.weights = Path(weights)
        found = describe_segmentation(self.weights)
        self.classes = classes or classes_of_weights(self.weights, found.classes)
        if self.classes.num_classes != found.classes:
            raise InputError(
                f"{weights}: is of {found.classes} classes, but the class table has {classes.num_classes}: give the "
                "experiment that these weights were trained with"
            )
        check_class_order(self.weights, self.classes)
        network = Network(trunk=found.trunk, width=found.width, precision=precision)
        engine.check_network(network, self.ctx)
        net = engine.network(found.classes, network, weak_label_head=False)
        load_original(net, self.weights, ctx=self.ctx)
        self.segmenter = Segmenter(engine.inference_net(net, precision), self.ctx, settings, seed)

    def predict(self, image: np.ndarray, name: str = "") -> np.ndarray:
        """The most probable class of each pixel.

        Args:
            image: (H, W, 3) uint8, RGB, of any size.
            name: what the random patches of SISC depend on besides the seed; nothing else does.

        Returns: (H, W) train ids; `classes.ignore` where no patch was, which only random patches can leave.
        Raises: InputError if the image is smaller than a patch; ValueError for an array that is no such image.
        """
        train_ids, _ = self.segmenter.predicted(self.maps(image, name))
        return train_ids

    def probabilities(self, image: np.ndarray, name: str = "") -> np.ndarray:
        """(C, H, W) float32, whose largest value gives `predict`'s class; 0 where no patch was. Else as `predict`."""
        maps = self.maps(image, name)
        volume = np.empty((self.classes.num_classes, *maps.size), np.float32)
        for (rows, columns), probabilities in self.segmenter.composed(maps):
            volume[:, rows, columns] = probabilities
        return volume

    def overlay(self, image: np.ndarray, train_ids: np.ndarray, strength: float = 0.5) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the image under the colours of its classes (see `pictures.overlay`)."""
        return overlay(image, train_ids, self.classes, strength)

    def maps(self, image: np.ndarray, name: str) -> ImageMaps:
        """What the network says of the image; the rest is the segmenter's. Arguments and errors as of `predict`."""
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"an image is (H, W, 3) uint8, not {image.shape} {image.dtype}")
        return self.segmenter.exact_maps(np.ascontiguousarray(image), name)
