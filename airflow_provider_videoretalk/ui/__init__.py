"""What Airflow's UI shows of videos: a page for each, and a board of all."""
