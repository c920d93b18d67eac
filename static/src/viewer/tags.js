/** Reading DICOM JSON (PS3.18 annex F): one data set is an object keyed by eight hexadecimal digits. */

export const Tag = Object.freeze({
  SOPClassUID: "00080016",
  SOPInstanceUID: "00080018",
  StudyDate: "00080020",
  SeriesDate: "00080021",
  AcquisitionDate: "00080022",
  ContentDate: "00080023",
  StudyTime: "00080030",
  SeriesTime: "00080031",
  AcquisitionTime: "00080032",
  ContentTime: "00080033",
  Modality: "00080060",
  CodeValue: "00080100",
  CodeMeaning: "00080104",
  StudyDescription: "00081030",
  SeriesDescription: "0008103E",
  ReferencedSeries: "00081115",
  ReferencedImages: "00081140",
  ReferencedSOPInstanceUID: "00081155",
  ReferencedFrameNumber: "00081160",
  ReferencedSOPs: "00081199",
  SourceImage: "00082112",
  RecommendedDisplayFrameRate: "00082144",
  AvailableTransferSyntaxUID: "00083002",
  DerivationImage: "00089124",
  PatientName: "00100010",
  PatientID: "00100020",
  PatientWeight: "00101030",
  AnatomicalOrientationType: "00102210",
  BodyPartExamined: "00180015",
  CineRate: "00180040",
  SliceThickness: "00180050",
  KVP: "00180060",
  RepetitionTime: "00180080",
  EchoTime: "00180081",
  FrameTime: "00181063",
  RadiopharmaceuticalStartTime: "00181072",
  RadionuclideTotalDose: "00181074",
  RadionuclideHalfLife: "00181075",
  RadiopharmaceuticalStartDateTime: "00181078",
  XRayTubeCurrent: "00181151",
  ImagerPixelSpacing: "00181164",
  ConvolutionKernel: "00181210",
  NominalScannedPixelSpacing: "00182010",
  ViewPosition: "00185101",
  SequenceOfUltrasoundRegions: "00186011",
  RegionFlags: "00186016",
  RegionLocationMinX0: "00186018",
  RegionLocationMinY0: "0018601A",
  RegionLocationMaxX1: "0018601C",
  RegionLocationMaxY1: "0018601E",
  PhysicalUnitsXDirection: "00186024",
  PhysicalUnitsYDirection: "00186026",
  PhysicalDeltaX: "0018602C",
  PhysicalDeltaY: "0018602E",
  StudyInstanceUID: "0020000D",
  SeriesInstanceUID: "0020000E",
  SeriesNumber: "00200011",
  InstanceNumber: "00200013",
  PatientOrientation: "00200020",
  ImagePositionPatient: "00200032",
  ImageOrientationPatient: "00200037",
  FrameOfReferenceUID: "00200052",
  ImageLaterality: "00200062",
  Laterality: "00200060",
  SliceLocation: "00201041",
  SamplesPerPixel: "00280002",
  PhotometricInterpretation: "00280004",
  PlanarConfiguration: "00280006",
  NumberOfFrames: "00280008",
  Rows: "00280010",
  Columns: "00280011",
  PixelSpacing: "00280030",
  PixelAspectRatio: "00280034",
  CorrectedImage: "00280051",
  PixelSpacingCalibrationType: "00280A02",
  BitsAllocated: "00280100",
  BitsStored: "00280101",
  HighBit: "00280102",
  PixelRepresentation: "00280103",
  PixelPaddingValue: "00280120",
  PixelPaddingRangeLimit: "00280121",
  WindowCenter: "00281050",
  WindowWidth: "00281051",
  RescaleIntercept: "00281052",
  RescaleSlope: "00281053",
  RescaleType: "00281054",
  WindowCenterWidthExplanation: "00281055",
  VOILUTFunction: "00281056",
  RedPaletteDescriptor: "00281101",
  GreenPaletteDescriptor: "00281102",
  BluePaletteDescriptor: "00281103",
  RedPaletteData: "00281201",
  GreenPaletteData: "00281202",
  BluePaletteData: "00281203",
  SegmentedRedPaletteData: "00281221",
  LossyImageCompression: "00282110",
  ModalityLUTSequence: "00283000",
  LUTDescriptor: "00283002",
  LUTData: "00283006",
  VOILUTSequence: "00283010",
  ValueType: "0040A040",
  ConceptName: "0040A043",
  PersonNameValue: "0040A123",
  TextValue: "0040A160",
  ConceptCode: "0040A168",
  CurrentEvidence: "0040A375",
  ContentSequence: "0040A730",
  DocumentTitle: "00420010",
  SegmentationType: "00620001",
  SegmentSequence: "00620002",
  SegmentNumber: "00620004",
  SegmentLabel: "00620005",
  SegmentAlgorithmType: "00620008",
  SegmentIdentification: "0062000A",
  ReferencedSegmentNumber: "0062000B",
  RecommendedDisplayCIELab: "0062000D",
  MaximumFractionalValue: "0062000E",
  ContentLabel: "00700080",
  ContentDescription: "00700081",
  PresentationCreationDate: "00700082",
  PresentationCreationTime: "00700083",
  ContentCreatorName: "00700084",
  ViewCodeSequence: "00540220",
  RadiopharmaceuticalInformationSequence: "00540016",
  Units: "00541001",
  DecayCorrection: "00541102",
  SharedFunctionalGroups: "52009229",
  PerFrameFunctionalGroups: "52009230",
});

/** All values of an element; an absent or empty element has none. */
export function values(dataset, tag) {
  const value = dataset?.[tag]?.Value;
  return Array.isArray(value) ? value : [];
}

/** First value as text, "" when absent. Person names give their alphabetic form. */
export function text(dataset, tag) {
  const value = values(dataset, tag)[0];
  if (value == null) return "";
  if (typeof value === "object") return value.Alphabetic ?? "";
  return String(value).trim();
}

/** All values as numbers; undefined unless every one is finite and at least `minimum` are there. */
export function numbers(dataset, tag, minimum = 1) {
  const found = values(dataset, tag).map((value) =>
    value === "" || value == null ? Number.NaN : Number(value),
  );
  if (found.length < minimum || found.some((value) => !Number.isFinite(value))) return undefined;
  return found;
}

/** First value as a number, undefined when absent or no number. */
export function number(dataset, tag) {
  const value = values(dataset, tag)[0];
  if (value == null || value === "") return undefined;
  const parsed = Number(value);
  return Number.isFinite(parsed) ? parsed : undefined;
}

/** Items of a sequence. */
export function items(dataset, tag) {
  return values(dataset, tag).filter((item) => item && typeof item === "object");
}

/** Bytes of an InlineBinary element, undefined when the element has none. */
export function inlineBytes(dataset, tag) {
  const encoded = dataset?.[tag]?.InlineBinary;
  if (typeof encoded !== "string" || encoded === "") return undefined;
  const binary = atob(encoded);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}
