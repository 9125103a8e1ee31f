package eval

import (
	"fmt"

	"retcon/fact"
	"retcon/internal/shard"
)

// Subset takes n records from place from on, all that are left if n is 0, and
// of these the ones of a shard. Their Index stays.
func Subset(rs []fact.Record, from, n int, s shard.Shard) ([]fact.Record, error) {
	if from < 0 || from >= len(rs) {
		return nil, fmt.Errorf("%w: record %d of a data set of %d, counted from 0", fact.ErrRequest, from, len(rs))
	}
	rs = rs[from:]
	if n > 0 && n < len(rs) {
		rs = rs[:n]
	}
	var out []fact.Record
	for i, r := range rs {
		if s.Has(i + 1) {
			out = append(out, r)
		}
	}
	return out, nil
}
