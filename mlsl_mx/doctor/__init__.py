"""`mlsl doctor`: what is installed, what this machine has, whether the one runs on the other, and what to do if not."""

from mlsl_mx.doctor.report import Diagnosis, examine

__all__ = ["Diagnosis", "examine"]
