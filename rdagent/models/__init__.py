"""A model's name or path → the local folder, what of it a job mounts, and its digest."""
