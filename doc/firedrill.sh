# Words for the drills of firedrill.md, to be read by bash: . doc/firedrill.sh
# Each does one thing that a person can do by hand, and shows how. What it must
# be told about the place is in the variables here, at the defaults of
# namespaces on one machine.

net=${net-10.77.0}            # host N has the address $net.N
yard=${yard-dz}               # host N is the namespace $yard$N; empty: all on this machine, with 127.0.0.N as $net
dir=${dir-$(mktemp -d)}       # for logs and process ids
founders=${founders-3}        # hosts 1 to this are in everybody's -a
flags=${flags--w false -timeout 3 -hist 100000}
patience=${patience-60}       # seconds after which something will never happen

# What the environment says is of another cluster, which drills must leave alone. Nobody is asked before somebody is known.
unset DOOZER_BOOT_URI DOOZER_RWSECRET DOOZER_ROSECRET
export DOOZER_URI='doozer:?'

# number WORD succeeds if that is the number of a host. The words that are commands of the system, too, do what those do with anything else.
number() { [[ ${1-} =~ ^[1-9][0-9]*$ ]]; }

# known N... are hosts that doozer asks from now on.
known() {
	local n
	for n; do
		case "$DOOZER_URI&" in
		*"&ca=$(addr "$n")&"*) ;;
		*) DOOZER_URI="$DOOZER_URI&ca=$(addr "$n")" ;;
		esac
	done
}

# hosts N makes hosts 1 to N, connected by a bridge. This machine has the address $net.254 on it.
hosts() {
	[ -n "$yard" ] || return 0
	ip link add "${yard}0" type bridge
	ip addr add "$net.254/24" dev "${yard}0"
	ip link set "${yard}0" up
	local n
	for n in $(seq "$1"); do
		ip netns add "$yard$n"
		ip link add "$yard$n" type veth peer name eth0 netns "$yard$n"
		ip link set "$yard$n" master "${yard}0" up
		ip -n "$yard$n" link set lo up
		ip -n "$yard$n" addr add "$net.$n/24" dev eth0
		ip -n "$yard$n" link set eth0 up
	done
}

# nohosts N takes them away again, and forgets them. A namespace lives on while a process is in it, so its wire is taken first.
nohosts() {
	local n
	for n in $(seq "$1"); do
		rm -f "$dir/pid.$n"
		[ -z "$yard" ] || { ip link del "$yard$n" && ip netns del "$yard$n"; }
	done
	DOOZER_URI='doozer:?'
	[ -z "$yard" ] || ip link del "${yard}0"
}

# on N COMMAND... runs a command on host N. With real hosts: host() { echo ssh "host$1"; }
host() {
	number "${1-}" || { command host "$@"; return; }
	[ -z "$yard" ] || echo ip netns exec "$yard$1"
}
on() {
	local prefix
	number "$1" || { echo "no host: $1" >&2; return 1; }
	prefix=$(host "$1")
	shift
	$prefix "$@"
}

addr() { echo "$net.$1:${port-8046}"; }

# start N... starts doozerd there, the same command everywhere, and returns when all of them serve. launch does not wait.
start() {
	launch "$@"
	serving "$@"
}
launch() {
	local n k list=
	for k in $(seq "$founders"); do list="$list -a $(addr "$k")"; done
	for n; do run "$n" $list; done
}

# run N FLAG... runs a doozerd on host N with these flags. What it logs goes to log.N; from.N is where that begins. Its exit status
# goes to status.N, from a shell that waits for it.
run() {
	local n=$1
	shift
	touch "$dir/log.$n"
	stat -c %s "$dir/log.$n" >"$dir/from.$n"
	: >"$dir/pid.$n"
	keep "$n" "$@" 3>"$dir/status.$n" >/dev/null 2>&1 &
	echo $! >"$dir/keep.$n"
	until [ -s "$dir/pid.$n" ]; do sleep 0.01; done
	known "$n"
}
keep() {
	local n=$1
	shift
	$(host "$n") doozerd -l "$(addr "$n")" $flags "$@" >>"$dir/log.$n" 2>&1 </dev/null 3>&- &
	echo $! >"$dir/pid.$n"
	wait $! && echo 0 >&3 || echo $? >&3
}

# serving N... returns when these say that they serve.
serving() {
	local n
	for n; do logs "$n" msg=serving; done
}

# logs N TEXT returns when host N has logged TEXT since its doozerd was started.
logs() {
	timeout "$patience" grep -m1 -- "$2" \
		<(exec tail -c +$(($(cat "$dir/from.$1") + 1)) -s 0.05 -f --pid="$(pid "$1")" "$dir/log.$1") >/dev/null ||
		{ echo "host $1 does not log: $2" >&2; return 1; }
}

pid() { cat "$dir/pid.$1"; }

# ended N... returns when the doozerd there has ended. status N is its exit status then: 0 if it was asked to end, 137 if it was killed.
ended() {
	local n
	for n; do timeout "$patience" tail -s 0.05 -f --pid="$(cat "$dir/keep.$n")" /dev/null || { echo "host $n does not end" >&2; return 1; }; done
}
status() { cat "$dir/status.$1"; }

# ask N COMMAND... asks host N, and no other.
ask() {
	local n=$1
	shift
	doozer -a "doozer:?ca=$(addr "$n")" "$@"
}

# from N WORD... is a word for which host N is asked. Who was cut off has an old view, so say whom to ask where it matters.
from() {
	local DOOZER_URI="doozer:?ca=$(addr "$1")"
	shift
	"$@"
}

# eventually COMMAND... waits until it succeeds, and looks again whenever something has changed.
eventually() {
	local rev until=$((SECONDS + patience))
	while rev=$(doozer rev); ! "$@"; do
		[ $SECONDS -lt $until ] || { echo "never: $*" >&2; return 1; }
		doozer -t 5s -r $((rev + 1)) wait '/ctl/**' >/dev/null || sleep 0.2 # nobody answers
	done
}

# voters N succeeds if N slots are taken. voter N succeeds if the doozerd of host N has one and takes writes, member N if it
# is registered.
voters() { [ "$(slots | wc -w)" = "$1" ]; }
voter() { slots | grep -w "$(id "$1")" >/dev/null && [ -n "$(doozer get "/ctl/node/$(id "$1")/writable")" ] && ask "$1" -timeout 5s nop 2>/dev/null; }
member() { [ -n "$(doozer get "/ctl/node/$(id "$1")/addr")" ]; }
slots() {
	local s
	for s in $(doozer find /ctl/cal | tail -n +2); do
		doozer get "$s"
		echo
	done
}

# seats is each slot with the rev at which it was last taken, or emptied: as long as that does not change, nobody is evicted.
seats() {
	local s
	for s in $(doozer find /ctl/cal | tail -n +2); do echo "$s $(doozer stat "$s")"; done
}

# id N is the id of the newest process on host N, alive or not.
id() {
	number "${1-}" || { command id "$@"; return; }
	tail -c +$(($(cat "$dir/from.$1") + 1)) "$dir/log.$1" | sed -n 's/.*msg=serving.* id=\([A-Z0-9]*\).*/\1/p'
}

# deaf N [M]: what is sent to host N [by host M] does not arrive. mute N [M]: what N sends [to M] does not leave.
# cut N [M] is both, at once. heal N... ends all of it.
deaf() { block "$1" "$(drop in iifname ${2+saddr "$2"})"; }
mute() { block "$1" "$(drop out oifname ${2+daddr "$2"})"; }
cut() {
	number "${1-}" || { command cut "$@"; return; }
	block "$1" "$(drop in iifname ${2+saddr "$2"})
		$(drop out oifname ${2+daddr "$2"})"
}
drop() { echo "add rule inet drill $1 $2 != lo ${4:+ip $3 $net.$4} drop"; }
block() {
	apart "$1" || return
	on "$1" nft "add table inet drill
		add chain inet drill in { type filter hook input priority 0; }
		add chain inet drill out { type filter hook output priority 0; }
		$2"
}

# apart N succeeds if host N has a network of its own: what is done to that of a host must not be done to this machine's.
apart() { number "$1" && [ -n "$(host "$1")" ] || { echo "no host with a network of its own: $1" >&2; return 1; }; }
heal() {
	local n
	for n; do apart "$n" && on "$n" nft delete table inet drill; done
}

# rough N...: of what these hosts send, 30 % get lost and the rest arrives up to 200 ms late. smooth N... ends it.
rough() {
	local n
	for n; do
		apart "$n" || return
		on "$n" tc qdisc add dev eth0 root netem delay 100ms 100ms loss 30% ||
			{ echo "host $n is not rough, so this is no drill: its kernel needs the module sch_netem" >&2; return 1; }
	done
}
smooth() {
	local n
	for n; do apart "$n" && on "$n" tc qdisc del dev eth0 root; done
}

# Read again, this knows the hosts that were started before.
known $(ls "$dir" | sed -n 's/^pid\.//p' | sort -n)
