#!/usr/bin/env bash
# Makes sure that the programs which some tests drive are there: PostgreSQL, RabbitMQ, Chromium and Node.
# As root on Debian or Ubuntu they are installed; otherwise this says what is missing and what that costs.
# Never fails: tests that lack their program are skipped with the reason, and the summary counts them.
set -uo pipefail

have_postgres() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
have_rabbitmq() { [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]]; }
have_chromium() { command -v chromium >/dev/null; }
have_node() { command -v node >/dev/null; }

missing=()
have_postgres || missing+=(postgresql)
have_rabbitmq || missing+=(rabbitmq-server)
have_chromium || missing+=(chromium)
have_node || missing+=(nodejs)
if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
fi

if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "system packages: installing ${missing[*]} through apt-get"
    export DEBIAN_FRONTEND=noninteractive
    # Only the programs are wanted: the tests start their own servers. Without this, Debian would make and
    # start a server for the whole machine.
    no_cluster=/etc/postgresql-common/createcluster.conf
    made_no_cluster=
    if [[ " ${missing[*]} " == *" postgresql "* && ! -e $no_cluster ]]; then
        mkdir -p "${no_cluster%/*}"
        echo "create_main_cluster = false" >"$no_cluster"
        made_no_cluster=yes
    fi
    # The same for RabbitMQ, whose package starts a node unless it is told not to.
    no_start=/usr/sbin/policy-rc.d
    made_no_start=
    if [[ " ${missing[*]} " == *" rabbitmq-server "* && ! -e $no_start ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$no_start"
        chmod +x "$no_start"
        made_no_start=yes
    fi
    apt-get update -qq >/dev/null || true
    for package in "${missing[@]}"; do
        if ! apt-get install -y -qq --no-install-recommends "$package" >/dev/null; then
            echo "system packages: apt-get could not install $package"
        fi
    done
    if [[ -n $made_no_cluster ]]; then
        # Leave the package's own file, which stepped aside for ours.
        rm -f "$no_cluster"
        [[ ! -e $no_cluster.ucf-dist ]] || mv "$no_cluster.ucf-dist" "$no_cluster"
    fi
    [[ -z $made_no_start ]] || rm -f "$no_start"
fi

have_postgres || echo "system packages: no PostgreSQL; tests marked 'postgres' are skipped. As root:  apt-get install postgresql"
have_rabbitmq || echo "system packages: no RabbitMQ; tests marked 'rabbitmq' are skipped. As root:  apt-get install rabbitmq-server"
have_chromium || echo "system packages: no Chromium; tests marked 'browser' are skipped. As root:  apt-get install chromium"
have_node || echo "system packages: no Node; the SuiteScript tests are skipped. As root:  apt-get install nodejs"
exit 0
