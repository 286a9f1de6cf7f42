"""What went wrong in a run, in sentences: for whom, from when on, and whether it was the agent or the generator.

The rules are in `docs/diagnosis.md`.
"""

from coval_load.report.diagnosis.census import Census
from coval_load.report.diagnosis.diagnose import diagnose
from coval_load.report.diagnosis.finding import Diagnosis, Finding

__all__ = ["Census", "Diagnosis", "Finding", "diagnose"]
