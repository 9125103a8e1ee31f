package average

import (
	"fmt"
	"strconv"
	"strings"
)

// Shard is part I of N of a list of facts, counted from 1. The zero Shard is
// the whole.
type Shard struct{ I, N int }

// mostShards bounds N.
const mostShards = 1 << 20

// ParseShard reads "i/n".
func ParseShard(s string) (Shard, error) {
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

// Has reports whether a fact, by its number in the file, belongs to the shard.
// Every N-th does, so that a shard is the same however many facts are taken.
func (s Shard) Has(record int) bool {
	return s.N == 0 || (record-1)%s.N == s.I-1
}

// Of selects the shard's facts.
func (s Shard) Of(facts []Fact) []Fact {
	var out []Fact
	for _, f := range facts {
		if s.Has(f.Record) {
			out = append(out, f)
		}
	}
	return out
}

// MarshalText writes i/n.
func (s Shard) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads i/n.
func (s *Shard) UnmarshalText(b []byte) error {
	parsed, err := ParseShard(string(b))
	*s = parsed
	return err
}
