"""Airflow's task states, Variables, metrics and object storage, behind small protocols."""
