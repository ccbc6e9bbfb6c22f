"""What a trial may try and who chooses next: spaces, samplers, ASHA rungs, the trial database, shipped studies."""

from search_spaces.errors import TunefleetError
from search_spaces.study import Study

__all__ = ["Study", "TunefleetError"]
