"""What runs in the training image."""
