"""Studies: from Orthanc to the archive, the worklist, DICOMweb and the viewer page."""
