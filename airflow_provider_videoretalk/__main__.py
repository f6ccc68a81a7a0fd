"""``python -m airflow_provider_videoretalk``."""

from airflow_provider_videoretalk.cli.command import main

if __name__ == "__main__":
    raise SystemExit(main())
