"""File systems that Airflow's ``ObjectStoragePath`` reaches through this package."""
