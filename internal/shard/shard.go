// Package shard splits a list between runs that are merged later.
package shard

import (
	"fmt"
	"strconv"
	"strings"
)

// Shard is part I of N of a list, counted from 1: every Nth entry from the Ith
// on. The zero Shard is the whole.
type Shard struct{ I, N int }

// mostShards bounds N.
const mostShards = 1 << 20

// Parse reads "i/n".
func Parse(s string) (Shard, error) {
	left, right, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(left)
	n, err2 := strconv.Atoi(right)
	if !ok || err1 != nil || err2 != nil || i < 1 || n < i || n > mostShards {
		return Shard{}, fmt.Errorf("%q: write i/n, as in 2/8 for the second of eight parts", s)
	}
	if n == 1 {
		return Shard{}, nil
	}
	return Shard{i, n}, nil
}

// String is the shard as it is parsed.
func (s Shard) String() string {
	if s.N == 0 {
		return "1/1"
	}
	return fmt.Sprintf("%d/%d", s.I, s.N)
}

// Has reports whether an entry, by its number from 1, belongs to the shard. A
// shard's entries are the same however many follow in the list.
func (s Shard) Has(number int) bool {
	return s.N == 0 || (number-1)%s.N == s.I-1
}

// MarshalText writes i/n.
func (s Shard) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads i/n.
func (s *Shard) UnmarshalText(b []byte) error {
	parsed, err := Parse(string(b))
	*s = parsed
	return err
}
