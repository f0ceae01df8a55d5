"""Detections → tracks, counts, events: pure, no I/O."""
