"""What a build is made with: store, SQL sessions, engines, request store, workers, Hub.

Nothing here imports ``assets`` or ``dagster_project``; every module is usable on its own.
"""
