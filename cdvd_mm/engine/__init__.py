"""What runs around the models: loop, hooks, optimiser wrappers and checkpoints."""
