"""Triton kernels; imported by :mod:`cdvd_mm.ops.backends` when first used, never before."""
