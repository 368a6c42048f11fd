"""Networks on arrays of frames: tiling, precision, memory; no files but checkpoints."""
