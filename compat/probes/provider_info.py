"""Checks that Airflow's provider manager finds the installed package, its hook and its link."""

from __future__ import annotations

from airflow.providers_manager import ProvidersManager

NAME = "airflow-provider-videoretalk"


def main() -> None:
    manager = ProvidersManager()
    assert NAME in manager.providers, f"{NAME} is not among the providers"
    hook = manager.hooks.get("dashscope")
    assert hook is not None, "the connection type dashscope has no hook"
    assert hook.package_name == NAME, hook
    link = "airflow_provider_videoretalk.links.WatchLink"
    assert link in manager.extra_links_class_names, f"{link} is not among the extra links"
    print("found", NAME, manager.providers[NAME].version)


if __name__ == "__main__":
    main()
