"""One module for each verb of the command line; ``dagster_project.cli`` joins them."""
