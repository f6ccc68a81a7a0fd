"""Waiting for tasks, without Airflow: what is decided here is carried out by operators, sensors and triggers alike."""
