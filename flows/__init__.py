"""The Prefect flow. Nothing leaves the machine: set before any module here imports Prefect."""

import os

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Seconds; by them the server knows a run that stopped without word (flows/automations.py).
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
# What the core logs is shown beside the run. Outside of a run there is nobody to show it to.
os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "pipeline,filters")
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
