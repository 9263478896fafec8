"""Pipedrive's dialect: API v2 and what only v1 has, token budgets, soft deletes, a search that lags, webhooks v2."""

from sandbox.pipedrive.simulator import PipedriveSimulator

__all__ = ["PipedriveSimulator"]
