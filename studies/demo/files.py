"""The real files that the demo sends: pydicom's own samples, one image of each kind."""

from __future__ import annotations

from pathlib import Path

from pydicom.data.data_manager import DATA_ROOT

# Varied modalities, photometric interpretations and transfer syntaxes; no two of one SOP Instance.
SINGLE = (
    "CT_small.dcm",
    "MR_small.dcm",
    "JPEG2000.dcm",
    "examples_jpeg2k.dcm",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "examples_rgb_color.dcm",
    "examples_ybr_color.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "SC_jpeg_no_color_transform.dcm",
    "rtdose.dcm",
    "liver_1frame.dcm",
    "rtplan.dcm",
    "reportsi.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
)
# CR, CT and MR studies of two patients, as a scanner would send them.
FOLDERS = ("dicomdirtests/77654033", "dicomdirtests/98892003", "dicomdirtests/98892001")


def paths() -> list[Path]:
    """Every demo file that this pydicom brings along."""
    root = Path(DATA_ROOT) / "test_files"
    found = [root / name for name in SINGLE if (root / name).is_file()]
    for folder in FOLDERS:
        found += sorted(path for path in (root / folder).rglob("*") if path.is_file())
    return found
