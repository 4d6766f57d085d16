"""The fine-tuning scenario: train a model with LoRA, then measure it."""
