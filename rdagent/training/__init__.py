"""Training: LLaMA-Factory's configuration, what is put over it, how far it is, what came of it."""
