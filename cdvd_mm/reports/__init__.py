"""What people read: comparisons, the ablation, the model zoo and plots."""
