"""Tests that need no host; their tree mirrors the code."""
