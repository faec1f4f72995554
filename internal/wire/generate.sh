#!/bin/sh
# Makes *.pb.go from *.proto, the same on every machine: with protoc
# 3.21.12 (Debian: protobuf-compiler) and the plugin that go.mod pins.
set -eu
cd "$(dirname "$0")/../.."

want="libprotoc 3.21.12"
got=$(protoc --version)
if [ "$got" != "$want" ]; then
	echo "generate.sh: $got found, $want needed" >&2
	exit 1
fi

go tool protoc-gen-go --version >&2 # builds it
protoc --plugin=protoc-gen-go="$(go tool -n protoc-gen-go)" \
	--go_out=. --go_opt=module=github.com/ha/doozerd internal/wire/*.proto
