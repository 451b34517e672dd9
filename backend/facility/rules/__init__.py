"""Decisions about facilities, one module for each question. Pure."""
