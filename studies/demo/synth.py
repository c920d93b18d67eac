"""Synthetic CT of a trunk: believable to look at, free of any real patient, the same every time.

Used by the demo, the tests and the benchmark. No Django here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

# UIDs under 2.25 need no registration (PS3.5 B.2).
UID_ROOT = "2.25."
IMPLEMENTATION_VERSION_NAME = "LIGHTBOX_SYNTH"
AIR, LUNG, FAT, FLUID, MUSCLE, BONE = -1000.0, -860.0, -95.0, 10.0, 48.0, 520.0
FIELD_OF_VIEW_MM = 380.0

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


def synthetic_uid(*parts: object) -> UID:
    """A UID that depends on `parts` alone: a 128-bit number under 2.25."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return UID(UID_ROOT + str(int.from_bytes(digest[:16], "big") | 1 << 120))


@dataclass(frozen=True)
class Phantom:
    """Draws axial slices of a trunk on a square grid of `size` pixels; z runs from 0 (feet) to 1.

    Coordinates are -1..1 from the patient's right (left of the image) and from anterior.
    """

    size: int
    seed: int

    def __post_init__(self) -> None:
        if self.size < 16:
            raise ValueError("size must be at least 16 pixels")

    def _grid(self) -> tuple[Image, Image]:
        line = np.linspace(-1, 1, self.size, dtype=np.float32)
        return line[None, :], line[:, None]

    def _ellipse(self, centre: tuple[float, float], radii: tuple[float, float]) -> Mask:
        x, y = self._grid()
        inside: Mask = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1
        return inside

    def _texture(self) -> Image:
        """Slow variation of tissue: a coarse random grid, enlarged bilinearly."""
        coarse = np.random.default_rng(self.seed).normal(size=(25, 25)).astype(np.float32)
        position = np.linspace(0, 23.999, self.size, dtype=np.float32)
        whole = position.astype(int)
        part = position - whole
        rows = coarse[whole] * (1 - part)[:, None] + coarse[whole + 1] * part[:, None]
        texture: Image = rows[:, whole] * (1 - part) + rows[:, whole + 1] * part
        return texture * 5

    def _noise(self, index: int) -> Image:
        """Quantum noise of about 14 HU with the correlation that a soft kernel leaves."""
        rng = np.random.default_rng((self.seed, index))
        noise: Image = rng.standard_normal((self.size, self.size), dtype=np.float32)
        quarter = np.float32(0.25)
        for axis in (0, 1):
            noise = (np.roll(noise, 1, axis) + 2 * noise + np.roll(noise, -1, axis)) * quarter
        return noise * np.float32(38)

    def _chest(self, image: Image, z: float) -> None:
        """Lungs with vessels, heart, trachea. `z` is 0 at the diaphragm, 1 at the apex."""
        opening = float(np.sqrt(np.clip(np.sin(np.pi * (0.12 + 0.84 * z)), 0, 1)))
        rng = np.random.default_rng((self.seed, 7))
        for side in (-1, 1):
            centre = (side * 0.37, 0.0)
            lung = self._ellipse(centre, (0.27 * opening + 0.02, 0.42 * opening + 0.02))
            image[lung] = LUNG
            for _ in range(26):
                angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.85)
                drift = 0.10 * np.sin(5 * z + angle)
                x = centre[0] + np.cos(angle + drift) * distance * 0.27 * opening
                y = centre[1] + np.sin(angle + drift) * distance * 0.42 * opening
                radius = max(0.022 * (1.05 - distance), 0.006)
                image[self._ellipse((x, y), (radius, radius * 1.3)) & lung] = 35
        if z < 0.6:
            swell = float(np.cos(np.pi * (z - 0.2) / 0.9))
            image[self._ellipse((0.10, -0.16), (0.27 * swell, 0.23 * swell))] = FAT
            image[self._ellipse((0.10, -0.16), (0.25 * swell, 0.21 * swell))] = 55
            image[self._ellipse((0.16, -0.15), (0.12 * swell, 0.10 * swell))] = 165
            image[self._ellipse((-0.03, -0.18), (0.08 * swell, 0.09 * swell))] = 150
        else:
            image[self._ellipse((0.0, -0.12), (0.16, 0.16))] = FAT
            image[self._ellipse((0.05, -0.13), (0.11, 0.055))] = 175
        if z > 0.45:
            image[self._ellipse((0.0, 0.06), (0.042, 0.042))] = MUSCLE
            image[self._ellipse((0.0, 0.06), (0.034, 0.034))] = AIR

    def _abdomen(self, image: Image, z: float) -> None:
        """Liver, spleen, stomach, kidneys, gut. `z` is 0 at the navel, 1 at the diaphragm."""
        image[self._ellipse((0.0, -0.02), (0.66, 0.43))] = FAT
        liver = 0.14 + 0.26 * z
        image[self._ellipse((-0.34 + 0.06 * z, -0.05), (liver, liver * 1.05))] = 102
        image[self._ellipse((-0.38, 0.0), (0.030, 0.024))] = 140
        image[self._ellipse((-0.24, -0.10), (0.020, 0.028))] = 140
        if z > 0.3:
            image[self._ellipse((0.47, 0.10), (0.10 + 0.04 * z, 0.15 * z))] = 112
            image[self._ellipse((0.28, -0.18), (0.18, 0.13))] = MUSCLE
            image[self._ellipse((0.28, -0.17), (0.16, 0.11))] = FLUID
            image[self._ellipse((0.28, -0.24), (0.11, 0.035))] = AIR
        if 0.05 < z < 0.85:
            kidney = float(np.sin(np.pi * (z - 0.05) / 0.8))
            for side in (-1, 1):
                centre = (side * 0.30, 0.20)
                image[self._ellipse(centre, (0.10 * kidney, 0.12 * kidney))] = 185
                image[self._ellipse((side * 0.27, 0.20), (0.035 * kidney, 0.05 * kidney))] = -40
        if z < 0.5:
            rng = np.random.default_rng((self.seed, 11))
            for _ in range(9):
                x, y = rng.uniform(-0.12, 0.5), rng.uniform(-0.30, 0.02)
                radius = rng.uniform(0.05, 0.08)
                image[self._ellipse((x, y), (radius, radius * 0.9))] = MUSCLE
                image[self._ellipse((x, y), (radius * 0.7, radius * 0.6))] = rng.choice(
                    [15, 30, -650]
                )

    def _skeleton(self, image: Image, z: float, width: float, height: float) -> None:
        turn = 9 * z
        for step in range(11):
            angle = np.pi * (step + 0.5) / 11
            for sign in (-1, 1):
                phase = np.sin(turn + step * 2.1 + sign)
                if phase < -0.35 or (sign > 0 and 4 < step < 6):
                    continue
                x = (width - 0.085) * np.cos(angle)
                y = sign * (height - 0.075) * np.sin(angle)
                if z < 0.35 and y < 0:
                    continue
                image[self._ellipse((x, y), (0.034, 0.020))] = BONE
                image[self._ellipse((x, y), (0.022, 0.009))] = 230
        image[self._ellipse((0.0, 0.30), (0.115, 0.095))] = BONE
        image[self._ellipse((0.0, 0.30), (0.098, 0.078))] = 190
        disc = np.sin(2 * np.pi * 7 * z) > 0.75
        if disc:
            image[self._ellipse((0.0, 0.30), (0.105, 0.085))] = 85
        for side in (-1, 1):
            image[self._ellipse((side * 0.13, 0.40), (0.075, 0.022))] = BONE
        image[self._ellipse((0.0, 0.415), (0.062, 0.050))] = BONE
        image[self._ellipse((0.0, 0.405), (0.046, 0.036))] = 25
        image[self._ellipse((0.0, 0.49), (0.018, 0.055))] = BONE
        if z > 0.5:
            image[self._ellipse((0.0, -height + 0.085), (0.06, 0.020))] = 330

    def slice(self, index: int, z: float) -> Image:
        """Hounsfield units of slice `index` at height `z` (0 = navel, 1 = apex of the lungs)."""
        image = np.full((self.size, self.size), AIR, dtype=np.float32)
        width, height = 0.80 + 0.035 * float(np.sin(3.3 * z)), 0.55 + 0.02 * float(np.cos(4 * z))
        body = self._ellipse((0.0, 0.0), (width, height))
        image[body] = MUSCLE
        image[self._ellipse((0.0, 0.0), (width - 0.010, height - 0.010))] = FAT
        image[self._ellipse((0.0, 0.0), (width - 0.055, height - 0.050))] = MUSCLE
        if z > 0.45:
            self._chest(image, (z - 0.45) / 0.55)
        if z < 0.55:
            if z > 0.45:  # the dome of the diaphragm: liver inside the base of the lung
                dome = float(np.sqrt((0.55 - z) / 0.10))
                image[self._ellipse((-0.36, -0.02), (0.24 * dome, 0.34 * dome))] = 102
                image[self._ellipse((0.40, 0.04), (0.15 * dome, 0.22 * dome))] = 112
            else:
                self._abdomen(image, z / 0.45)
        self._skeleton(image, z, width, height)
        aorta = (0.075, 0.155)
        image[self._ellipse(aorta, (0.055, 0.055))] = MUSCLE
        image[self._ellipse(aorta, (0.050, 0.050))] = 215
        image[self._ellipse((-0.09, 0.14), (0.05, 0.04))] = 130
        table = self._ellipse((0.0, 0.72), (0.72, 0.11)) & ~self._ellipse((0.0, 0.69), (0.70, 0.10))
        image[table & ~body] = -620
        image += self._noise(index) * np.where(body, 1.0, 0.35).astype(np.float32)
        image += np.where(body, self._texture(), 0).astype(np.float32)
        x, y = self._grid()
        image[x**2 + y**2 > 0.99] = -1024
        return np.clip(image, -1024, 3071)


@dataclass(frozen=True)
class CTStudy:
    """Who and what the generated series says it is."""

    patient_name: str = "Lindqvist^Maren"
    patient_id: str = "LB-204417"
    patient_birth_date: str = "19610423"
    patient_sex: str = "F"
    patient_age: str = "064Y"
    accession_number: str = "LB20250318-07"
    study_date: str = "20250318"
    study_time: str = "101542"
    study_description: str = "CT chest and abdomen with contrast"
    series_description: str = "Axial 5.0 Br40"
    series_number: int = 2
    institution_name: str = "Demo Hospital"
    referring_physician_name: str = "Haddad^Samir^^Dr."
    specific_character_set: str = "ISO_IR 192"


def ct_dataset(study: CTStudy, *, seed: int, number: int, slices: int, phantom: Phantom) -> Dataset:
    """Instance `number` (from 1) of the series as a complete CT Image (PS3.3 A.3)."""
    ds = Dataset()
    ds.SpecificCharacterSet = study.specific_character_set
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = synthetic_uid(seed, "instance", study.series_number, number)
    ds.StudyInstanceUID = synthetic_uid(seed, "study")
    ds.SeriesInstanceUID = synthetic_uid(seed, "series", study.series_number)
    ds.FrameOfReferenceUID = synthetic_uid(seed, "frame of reference")
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = study.study_date
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = study.study_time
    ds.AccessionNumber = study.accession_number
    ds.Modality = "CT"
    ds.Manufacturer = "Lightbox Synthetic"
    ds.ManufacturerModelName = "Phantom CT"
    ds.StationName = "CT01"
    ds.InstitutionName = study.institution_name
    ds.ReferringPhysicianName = study.referring_physician_name
    ds.StudyDescription = study.study_description
    ds.SeriesDescription = study.series_description
    ds.BodyPartExamined = "CHEST"
    ds.ProtocolName = "Chest and abdomen"
    ds.PatientName = study.patient_name
    ds.PatientID = study.patient_id
    ds.PatientBirthDate = study.patient_birth_date
    ds.PatientSex = study.patient_sex
    ds.PatientAge = study.patient_age
    ds.StudyID = "1"
    ds.SeriesNumber = study.series_number
    ds.AcquisitionNumber = 1
    ds.InstanceNumber = number
    ds.PatientPosition = "HFS"
    ds.PatientOrientation = ["L", "P"]
    ds.PositionReferenceIndicator = ""
    ds.KVP = "120"
    ds.XRayTubeCurrent = "210"
    ds.ExposureTime = "500"
    ds.Exposure = "105"
    ds.ConvolutionKernel = "Br40"
    ds.GantryDetectorTilt = "0"
    ds.ReconstructionDiameter = f"{FIELD_OF_VIEW_MM:g}"

    thickness = round(max(1.0, 300.0 / slices), 2)
    height = -300.0 + thickness * (number - 1)
    half = FIELD_OF_VIEW_MM / 2
    ds.SliceThickness = f"{thickness:g}"
    ds.SpacingBetweenSlices = f"{thickness:g}"
    ds.SliceLocation = f"{height:.2f}"
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.ImagePositionPatient = [f"{-half:g}", f"{-half:g}", f"{height:.2f}"]
    ds.PixelSpacing = [f"{FIELD_OF_VIEW_MM / phantom.size:.6f}"] * 2

    hounsfield = phantom.slice(number - 1, (number - 1) / max(1, slices - 1))
    _set_pixels(ds, np.rint(hounsfield + 1024).astype("<i2"))
    ds.RescaleIntercept = "-1024"
    ds.RescaleSlope = "1"
    ds.RescaleType = "HU"
    ds.WindowCenter = ["40", "-600"]
    ds.WindowWidth = ["400", "1500"]
    ds.WindowCenterWidthExplanation = ["SOFT TISSUE", "LUNG"]
    return ds


def _set_pixels(ds: Dataset, pixels: NDArray[Any]) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = (int(length) for length in pixels.shape)
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"


def write(ds: Dataset, path: Path) -> Path:
    """Save as a Part 10 file in Explicit VR Little Endian; returns `path`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = synthetic_uid("lightbox synth")
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    ds.file_meta = meta
    ds.preamble = b"\0" * 128
    ds.save_as(path, enforce_file_format=True)
    return path


def ct_series(
    out: Path | str, slices: int = 60, size: int = 512, *, seed: int = 1, **study: Any
) -> list[Path]:
    """Write a CT series of `slices` square images of `size` pixels into `out`, feet first.

    Keyword arguments are fields of `CTStudy` (`patient_name`, `patient_id`, ...). UIDs and pixels
    depend on `seed` alone. Returns the paths in the order of InstanceNumber.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    identity = CTStudy(**study)
    phantom = Phantom(size, seed)
    return [
        write(
            ct_dataset(identity, seed=seed, number=number, slices=slices, phantom=phantom),
            folder / f"ct{number:04d}.dcm",
        )
        for number in range(1, slices + 1)
    ]
