"""What an experiment file may say: settings with their limits, and tables of classes."""

from mlsl_mx.config.experiment_files import load_config

__all__ = ["load_config"]
