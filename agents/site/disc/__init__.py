"""Patient discs: images from the portal, a DICOM file-set, an ISO image, a disc, read back."""
