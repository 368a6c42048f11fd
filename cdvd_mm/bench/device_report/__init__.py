"""What one call tells of a device: is all of it right there, how fast is it, does training work.

A part (``parts.py``) is a function that yields tables; each runs in a process of its own.
"""
