"""Doctor: an experiment examined before it is run, and what is wrong with it."""

from artifact_fn.runs.doctor.diagnosis import Diagnosis, Finding
from artifact_fn.runs.doctor.examined import doctor

__all__ = ["Diagnosis", "Finding", "doctor"]
