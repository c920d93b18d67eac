"""DICOM without Django: what a file is, where its pixels are, what its header says."""
