"""HTTP requests to URLs that the author of the DAG did not write."""
