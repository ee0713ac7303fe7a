"""What is built: the recipes, and one package for each station of a row's life.

A station imports ``resources``, ``assets.kinds`` and ``assets.schemas``, and no other station. Modules here import no
Dagster: the build system in ``dagster_project`` runs what they declare.
"""
