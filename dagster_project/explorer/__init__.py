"""The explorer: a local web page over a released folder, and over the stages of an environment where there is one.

Free of Dagster and of projects, so that it can serve a published dataset anywhere; ``commands/explore.py`` knows
projects. ``places`` says what is looked at, ``indexing`` makes the files that searches read, ``access`` asks DuckDB,
``found`` and ``opened`` answer the page's questions, ``safe_text`` makes hostile text fit to be
shown, ``page`` is Gradio.
"""
