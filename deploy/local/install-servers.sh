#!/usr/bin/env bash
# Orthanc with its DICOMweb and Python plugins, dcmtk, and what PDFs of reports are made with, where
# they are missing. Where they cannot be installed the portal still starts, so this never fails.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=deploy/local/apt.sh
source "$here/apt.sh"

plugins=/usr/share/orthanc/plugins
missing=()
orthanc_is_new=""
if ! PATH="$PATH:/usr/sbin" command -v Orthanc >/dev/null; then
    missing+=(orthanc)
    orthanc_is_new=yes
fi
[ -e "$plugins/libOrthancDicomWeb.so" ] || missing+=(orthanc-dicomweb)
[ -e "$plugins/libOrthancPython.so" ] || missing+=(orthanc-python)
command -v storescu >/dev/null || missing+=(dcmtk)
libraries="$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null || true)"
# need_library NAME PACKAGE
need_library() {
    [[ "$libraries" == *"$1.so."* ]] || missing+=("$2")
}
need_library libpango-1.0 libpango-1.0-0
need_library libpangoft2-1.0 libpangoft2-1.0-0
need_library libharfbuzz-subset libharfbuzz-subset0
# need_font PATTERN PACKAGE
need_font() {
    compgen -G "/usr/share/fonts/$1" >/dev/null || missing+=("$2")
}
need_font 'truetype/noto/NotoSans-Regular.ttf' fonts-noto-core
need_font 'truetype/noto/NotoSansMono-Regular.ttf' fonts-noto-mono
need_font 'opentype/noto/NotoSansCJK-Regular.ttc' fonts-noto-cjk

[ ${#missing[@]} -gt 0 ] || exit 0
if ! can_install; then
    echo "Not installed: ${missing[*]}. The portal starts without them. To have them, on Debian"
    echo "or Ubuntu: sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
    exit 0
fi
if install_packages "${missing[@]}"; then
    [ -z "$orthanc_is_new" ] || disable_service orthanc
else
    echo "apt-get could not install ${missing[*]}; the portal starts without them." >&2
fi
