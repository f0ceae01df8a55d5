"""Prediction rows at rest: fresh in the store, settled into Parquet, read as one."""
