#compdef doozer
# Completion of doozer in zsh. To load it: source <(doozer completion zsh)

_doozer() {
	local candidate line="${(j: :)words[1,CURRENT-1]} $PREFIX"
	local -a directories others descriptions
	for candidate in "${(@f)$(doozer __complete "$line" 2>/dev/null)}"; do
		case $candidate in
		'') ;;
		:files)
			compset -P '-*='
			_files
			return
			;;
		*/ | */$'\t'*) directories+=("${candidate%%$'\t'*}") ;;
		*)
			others+=("${candidate%%$'\t'*}")
			descriptions+=("${candidate/$'\t'/  -- }")
			;;
		esac
	done
	local found=1
	(( $#directories )) && compadd -S '' -a directories && found=0
	(( $#others )) && compadd -l -d descriptions -a others && found=0
	return found
}

if [[ ${funcstack[1]-} == _doozer ]]; then
	_doozer "$@" # loaded by compinit from $fpath
else
	compdef _doozer doozer
fi
