"""Hooks: Airflow connections as clients of the service."""
