"""The engine that is MXNet/Gluon: the default and the reference."""
