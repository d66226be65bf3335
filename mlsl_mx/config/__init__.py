"""What an experiment file may say: settings with their limits, and tables of classes.

`load_config` is imported when it is first asked for: the command line needs only names from here, and at once.
"""

from mlsl_mx.system.lazy import lazily

__all__ = ["load_config"]

__getattr__ = lazily(__name__, {"load_config": "mlsl_mx.config.experiment_files"})
