"""Airflow Connections as clients of the service."""
