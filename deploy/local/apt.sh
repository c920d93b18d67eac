# shellcheck shell=bash
# Sourced by the install scripts: Debian packages, without starting their services.

# can_install: may this user install Debian packages here?
can_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# install_packages NAME...: a policy-rc.d of our own keeps Debian from starting what it installs,
# because Lightbox starts its own servers on its own ports.
install_packages() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    echo "Installing $* (apt-get)"
    quiet=(-qq -o=Dpkg::Use-Pty=0 -o=DPkg::Lock::Timeout=120)
    if ! apt-get "${quiet[@]}" install -y --no-install-recommends "$@" >/dev/null 2>&1; then
        apt-get "${quiet[@]}" update
        apt-get "${quiet[@]}" install -y --no-install-recommends "$@" >/dev/null
    fi
)

# disable_service NAME: after installing it ourselves, not at the next boot either.
disable_service() {
    if [ -d /run/systemd/system ]; then
        systemctl disable --now "$1" >/dev/null 2>&1 || true
    elif command -v update-rc.d >/dev/null; then
        update-rc.d "$1" disable >/dev/null 2>&1 || true
    fi
}
