"""Speed, memory and multiply-adds of networks, training steps and loaders."""
