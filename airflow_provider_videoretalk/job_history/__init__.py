"""What became of each render job that this Airflow submitted: stored facts, combined into one record for each job."""
