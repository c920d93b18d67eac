"""Measurements side by side with Orthanc, in one run on one machine. `make bench`."""
