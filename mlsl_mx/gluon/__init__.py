"""The engine that is MXNet/Gluon: the default and the reference.

`engine.py` only names its parts, which lie beside what both engines share: the network in `network/`, patches and sums
in `pseudo_labels/` (`inference.py`, `sisc.py`, `composition.py`), losses and steps in `training/` (`losses.py`,
`gluon_steps.py`).
"""
