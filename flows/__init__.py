"""The only home of Prefect."""
