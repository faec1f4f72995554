# Completion of doozer in bash. To load it: source <(doozer completion bash)

_doozer() {
	local candidate
	COMPREPLY=()
	while IFS= read -r candidate; do
		if [[ $candidate == :files ]]; then
			compopt -o default 2>/dev/null
			return
		fi
		COMPREPLY+=("${candidate%%$'\t'*}")
	done < <(doozer __complete "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
		compopt -o nospace 2>/dev/null # more may follow a directory
	fi
}

complete -F _doozer doozer
