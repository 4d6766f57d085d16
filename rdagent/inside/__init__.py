"""What runs inside the images; no other room imports it."""
