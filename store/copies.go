package store

// copied returns a copy of s. Unlike that of slices.Clone it takes no more
// memory than it needs.
func copied[T any](s []T) []T {
	c := make([]T, len(s))
	copy(c, s)
	return c
}

// inserted returns a copy of s with v before the i-th element.
func inserted[T any](s []T, i int, v T) []T {
	c := make([]T, len(s)+1)
	copy(c, s[:i])
	c[i] = v
	copy(c[i+1:], s[i:])
	return c
}
