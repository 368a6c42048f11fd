"""The published protocols, and the metric that follows them."""

import mmagic.evaluation  # noqa: F401  (registers Evaluator, PSNR ...)

from .metric import VideoDeblurMetric
from .protocols import PROTOCOLS, Protocol, get_protocol
from .results import Results, summarise
from .scores import score_frame

__all__ = ['PROTOCOLS', 'Protocol', 'Results', 'VideoDeblurMetric', 'get_protocol', 'score_frame',
           'summarise']
