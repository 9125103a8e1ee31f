package eval

import (
	"fmt"
	"strconv"
	"strings"

	"retcon/edit"
)

// Shard is part I of N of a data set, I from 1: every Nth record from the Ith
// on. The zero Shard is the whole.
type Shard struct{ I, N int }

// ParseShard reads "i/n".
func ParseShard(s string) (Shard, error) {
	left, right, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(left)
	n, err2 := strconv.Atoi(right)
	if !ok || err1 != nil || err2 != nil || i < 1 || i > n {
		return Shard{}, fmt.Errorf("%w: a shard is i/n with i from 1 to n, as in 1/4, not %q", edit.ErrRequest, s)
	}
	return Shard{i, n}, nil
}

// String is i/n, empty for the whole.
func (s Shard) String() string {
	if s.N == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.I, s.N)
}

// Subset takes n records from place from on, all that are left if n is 0, and
// of these the ones of a shard. Their Index stays.
func Subset(rs []Record, from, n int, s Shard) ([]Record, error) {
	if from < 0 || from >= len(rs) {
		return nil, fmt.Errorf("%w: record %d of a data set of %d, counted from 0", edit.ErrRequest, from, len(rs))
	}
	rs = rs[from:]
	if n > 0 && n < len(rs) {
		rs = rs[:n]
	}
	if s.N < 2 {
		return rs, nil
	}
	var out []Record
	for i := s.I - 1; i < len(rs); i += s.N {
		out = append(out, rs[i])
	}
	return out, nil
}
