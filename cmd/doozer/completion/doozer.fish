# Completion of doozer in fish. To load it: doozer completion fish | source

function __doozer_complete
    set -l candidates (doozer __complete (commandline -cp | string collect) 2>/dev/null)
    if test "$candidates[1]" = :files
        __fish_complete_path (commandline -ct)
    else if set -q candidates[1]
        printf '%s\n' $candidates
    end
end

complete -c doozer -f -a '(__doozer_complete)'
