"""Modules that behave like released libraries, down to their exceptions."""
