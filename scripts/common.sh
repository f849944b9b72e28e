# SPDX-License-Identifier: MIT
#
# Sourced by the scripts; the current directory is the top of the clone.

uv_version=0.13.9
setup_env=build/setup-$(id -u).env


say()
{
    printf '%s\n' "mint: $*"
}


# one line each
die()
{
    printf 'mint: error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" >&2
    exit 1
}


# private interpreter, uv and uv's cache: shared by all clones of this user
cache_directory()
{
    if [ -n "${MINT_CACHE:-}" ]; then
        realpath -m "$MINT_CACHE"
    elif [ "$(id -u)" = 0 ]; then
        echo /var/cache/ngx-mint
    else
        echo "${XDG_CACHE_HOME:-${HOME:?}/.cache}/ngx-mint"
    fi
}


# where this machine itself gets its packages; empty: nowhere
debian_mirror()
{
    if [ -n "${MINT_DEBIAN_MIRROR:-}" ]; then
        echo "$MINT_DEBIAN_MIRROR"
    else
        apt-get indextargets --format '$(REPO_URI)' 2> /dev/null \
            | awk '/\/debian\/$/ && !found++'
    fi
}


# with_heartbeat LOG COMMAND...: output to LOG (appended), a sign of life every
# ten seconds, the end of the log if it fails
with_heartbeat()
{
    local log=$1 pid start=$SECONDS beat status=0
    shift

    printf '$ %s\n' "$*" >> "$log"
    "$@" >> "$log" 2>&1 < /dev/null &
    pid=$!
    (
        while sleep 10; do
            echo "mint:   ...still working ($((SECONDS - start)) s)"
        done
    ) &
    beat=$!
    wait "$pid" || status=$?
    kill "$beat" 2> /dev/null || true
    wait "$beat" 2> /dev/null || true

    if [ $status -ne 0 ]; then
        tail -n 20 "$log" >&2
        echo "mint: error: '$1' failed with exit status $status" \
            "(whole output in $log)" >&2
    fi
    return $status
}


write_if_changed()
{
    local file=$1

    cat > "$file.$$"
    if cmp -s "$file.$$" "$file"; then
        rm -f "$file.$$"
    else
        mv -f "$file.$$" "$file"
    fi
}


# C sources of the project, committed or not
c_files()
{
    find contract lib ngx_mint_module keeper supervisor platform tests \
        -name '*.[ch]' -type f 2> /dev/null | sort
}
