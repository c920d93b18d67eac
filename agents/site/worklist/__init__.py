"""The modality worklist (PS3.4 K) and procedure steps (PS3.4 F), from the portal's orders."""
