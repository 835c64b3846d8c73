"""Measurements, run as `python -m bench.<name>`. Not part of what is deployed."""
