"""A page in the browser for people who type no commands, with the job of ``cdvd-mm deblur``."""
