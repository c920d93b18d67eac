"""Runs the embedded shape in the foreground: Orthanc, web and workers. `python -m pacs.supervisor`.

Imports no Django, so that it can say in plain words what is missing.
"""
