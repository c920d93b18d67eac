"""QIDO-RS: search for studies, series and instances (PS3.18 10.6).

`parse` reads a query string by the attributes of `keys`; `plan` turns it into ordered queries that
indexes answer; `columns` writes rows as DICOM JSON and `included` adds what only the metadata
documents know; `results` puts them together.
"""
