"""What a LoRA folder is, read without torch: its configuration, its weights' header."""
