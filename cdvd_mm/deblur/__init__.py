"""A video or a folder of frames in, a sharp one out: the job behind ``tools/deblur.py``."""

from .job import DeblurReport, deblur_video
from .options import DeblurOptions

__all__ = ['DeblurOptions', 'DeblurReport', 'deblur_video']
