"""Sending studies to DICOM nodes and DICOMweb servers.

A `Send` is a row that says what must arrive where; its `SendItem`s say what has. Tasks carry it out
and may be lost or run twice: what is not marked as arrived is sent again.
"""
