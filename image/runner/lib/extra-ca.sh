# shellcheck shell=sh
# Sourced by the entries. Certificates of the caller's network, mounted as
# /run/extra-ca/*.crt, are trusted besides Debian's own for the life of the container.
for certificate in /run/extra-ca/*.crt; do
    [ -s "$certificate" ] || continue
    SSL_CERT_FILE=$(mktemp /tmp/ca-bundle.XXXXXX)
    cat /etc/ssl/certs/ca-certificates.crt /run/extra-ca/*.crt > "$SSL_CERT_FILE"
    # The entry may still change to another user.
    chmod 0644 "$SSL_CERT_FILE"
    export SSL_CERT_FILE
    export REQUESTS_CA_BUNDLE="$SSL_CERT_FILE" CURL_CA_BUNDLE="$SSL_CERT_FILE"
    export PIP_CERT="$SSL_CERT_FILE" GIT_SSL_CAINFO="$SSL_CERT_FILE"
    break
done
unset certificate
