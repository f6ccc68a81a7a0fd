"""Apache Airflow provider for DashScope VideoRetalk: speech, lip replacement and publishing, as paid, long jobs."""

__version__ = "0.2.0"
