/** Text of a header by its Specific Character Set (PS3.3 C.12.1.1.2), for showing only. */

const SINGLE = {
  "ISO_IR 100": "iso-8859-1",
  "ISO_IR 101": "iso-8859-2",
  "ISO_IR 109": "iso-8859-3",
  "ISO_IR 110": "iso-8859-4",
  "ISO_IR 144": "iso-8859-5",
  "ISO_IR 127": "iso-8859-6",
  "ISO_IR 126": "iso-8859-7",
  "ISO_IR 138": "iso-8859-8",
  "ISO_IR 148": "iso-8859-9",
  "ISO_IR 203": "iso-8859-15",
  "ISO_IR 13": "shift_jis",
  "ISO_IR 166": "windows-874",
  "ISO_IR 192": "utf-8",
  GB18030: "gb18030",
  GBK: "gbk",
};

/** Escape sequences (PS3.3 C.12.1.1.2, tables 3 and 4) and the decoder of what follows. */
const ESCAPES = {
  "(B": "iso-8859-1",
  "-A": "iso-8859-1",
  "-B": "iso-8859-2",
  "-C": "iso-8859-3",
  "-D": "iso-8859-4",
  "-L": "iso-8859-5",
  "-G": "iso-8859-6",
  "-F": "iso-8859-7",
  "-H": "iso-8859-8",
  "-M": "iso-8859-9",
  "-b": "iso-8859-15",
  "-T": "windows-874",
  ")I": "shift_jis",
  "(J": "shift_jis",
  $B: "iso-2022-jp",
  "$)C": "euc-kr",
  "$)A": "gbk",
};

function pieceOf(bytes, label) {
  return new TextDecoder(label).decode(bytes);
}

function escaped(bytes, first) {
  let label = first;
  let text = "";
  let start = 0;
  for (let at = 0; at <= bytes.length; at += 1) {
    if (at < bytes.length && bytes[at] !== 0x1b) continue;
    const piece = bytes.subarray(start, at);
    // The decoder of ISO 2022-JP wants the escape sequence that chose it.
    text +=
      label === "iso-2022-jp"
        ? pieceOf(Uint8Array.of(0x1b, 0x24, 0x42, ...piece), label)
        : pieceOf(piece, label);
    if (at === bytes.length) break;
    const after = String.fromCharCode(...bytes.subarray(at + 1, at + 4));
    const known = Object.keys(ESCAPES).find((each) => after.startsWith(each));
    label = known ? ESCAPES[known] : first;
    start = at + 1 + (known?.length ?? 0);
    at = start - 1;
  }
  return text;
}

/** `bytes` as text. `characterSets`: the value of (0008,0005), several parted by a backslash. */
export function decoded(bytes, characterSets) {
  const first = (characterSets ?? "").split("\\")[0].trim().replace("ISO 2022 IR", "ISO_IR");
  const label = SINGLE[first] ?? "iso-8859-1";
  const text = bytes.includes(0x1b) ? escaped(bytes, label) : pieceOf(bytes, label);
  return text.replace(/[\0 ]+$/, "").trim();
}
