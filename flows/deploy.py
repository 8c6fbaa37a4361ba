"""Serve the flow on a schedule: `python -m flows.deploy --every 1m`."""
