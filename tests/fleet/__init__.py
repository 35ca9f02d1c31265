"""Whole deploys on the lab's hosts."""
