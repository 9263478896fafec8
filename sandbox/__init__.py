"""Vendor simulators."""
