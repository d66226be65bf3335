"""The engine that is MXNet/Gluon: the default and the reference.

`engine.py` names its parts and times the network. The parts lie beside what both engines share: the network in
`network/`, patches and sums in `pseudo_labels/` (`inference.py`, `sisc.py`, `composition.py`), losses and steps in
`training/` (`losses.py`, `gluon_steps.py`).
"""
