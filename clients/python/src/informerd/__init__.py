"""Kubernetes watches through informerd."""
