#!/bin/sh
# Makes every secret that docker-compose.yml asks for, one file each in ./secrets. Safe to run
# again: a file that is there is left alone.
#
# The folder is closed to everyone else on this machine. The files in it are readable, because
# each container mounts single files and reads them as a user of its own.
set -eu

cd "$(dirname "$0")/.."
mkdir -p secrets
chmod 700 secrets

make_secret() {
    file="secrets/$1.txt"
    if [ ! -e "$file" ]; then
        printf '%s\n' "$2" >"$file"
        chmod 444 "$file"
        echo "made $file"
    fi
}

random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

make_secret vigie_secret "$(random)"
make_secret oidc_client_secret "$(random)"  # the one that the provider gave replaces it
make_secret postgres_password "$(random)"
make_secret database_password "$(random)"
make_secret mlflow_password "$(random)"
make_secret grafana_reader_password "$(random)"
make_secret grafana_admin_password "$(random)"
make_secret redis_password "$(random)"
# Where Alertmanager sends alerts. No such host exists: put the address of your own receiver here.
make_secret alert_webhook_url "http://alerts.invalid/"
