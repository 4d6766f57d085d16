"""Fine-tune a model in one container, evaluate it in another, and know if it got better."""

__version__ = "0.1.0"
