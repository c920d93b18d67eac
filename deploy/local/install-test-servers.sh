#!/usr/bin/env bash
# What the tests drive besides Orthanc: a browser, PostgreSQL, Redis, an object storage, a load
# generator, fonts, and a print system with virtual printers.
# Fails when something is missing and cannot be installed: a test must not be skipped unnoticed.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=deploy/local/apt.sh
source "$here/apt.sh"
"$here/install-servers.sh"

missing=()
services=()
# lacks PACKAGE [SERVICE]
lacks() {
    missing+=("$1")
    [ -z "${2:-}" ] || services+=("$2")
}
# need COMMAND PACKAGE [SERVICE]
need() {
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null || lacks "${@:2}"
}
# need_file PATH PACKAGE [SERVICE]
need_file() {
    compgen -G "$1" >/dev/null || lacks "${@:2}"
}

need Orthanc orthanc
need_file /usr/share/orthanc/plugins/libOrthancDicomWeb.so orthanc-dicomweb
need_file /usr/share/orthanc/plugins/libOrthancPython.so orthanc-python
need dcmsend dcmtk
need chromium chromium
need redis-server redis-server redis-server
need nginx nginx nginx
need wrk wrk
need xorriso xorriso
need_file '/usr/lib/postgresql/*/bin/initdb' postgresql postgresql
for part in proxy account container object; do
    need "swift-$part-server" "swift-$part" "swift-$part"
done
need cupsd cups-daemon cups
need lpadmin cups-client
need ippeveprinter cups-ipp-utils
need_file /usr/lib/cups/filter/pdftopdf cups-filters
need avahi-daemon avahi-daemon avahi-daemon
need dbus-daemon dbus-daemon
need pdftotext poppler-utils
need_file /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf fonts-dejavu-core
need_file /usr/share/fonts/truetype/noto/NotoSansArabic-Regular.ttf fonts-noto-core
need_file '/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc' fonts-noto-cjk

[ ${#missing[@]} -gt 0 ] || exit 0
if ! can_install; then
    echo "The tests need these Debian packages: ${missing[*]}" >&2
    echo "sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
install_packages "${missing[@]}"
for service in ${services[@]+"${services[@]}"}; do disable_service "$service"; done
