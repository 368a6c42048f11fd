"""A video or a folder of frames in, a sharp one out: the job behind ``cdvd-mm deblur``."""
