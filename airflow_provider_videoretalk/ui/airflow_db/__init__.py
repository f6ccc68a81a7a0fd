"""Airflow's database, task logs and stored DAGs. Only this part of the pages uses Airflow's private models."""
