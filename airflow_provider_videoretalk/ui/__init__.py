"""The pages in Airflow's UI: a result page for each video, and a board of all videos."""
