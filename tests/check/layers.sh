#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Dependencies point one way: a file of src/X includes only from X and from folders above X in
# layers.txt. Prints each offending include and fails.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

mapfile -t layers < <(sed -e 's/#.*//' -e '/^ *$/d' tests/check/layers.txt)
declare -A rank
for i in "${!layers[@]}"; do rank[${layers[i]}]=$i; done

bad=0
while IFS=: read -r file line include; do
    from=${file#src/} from=${from%%/*}
    to=${include#*\"} to=${to%%/*}
    if [ -z "${rank[$from]:-}" ]; then
        echo "src/$from is not in tests/check/layers.txt"; bad=1
    elif [ -z "${rank[$to]:-}" ] || [ "${rank[$to]}" -gt "${rank[$from]}" ]; then
        echo "$file:$line: src/$from must not include $include"; bad=1
    fi
done < <(grep -rnoE '^#include "[^"]+"' src --include='*.cpp' --include='*.hpp')
exit $bad
