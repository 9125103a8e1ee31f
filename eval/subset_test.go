package eval

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/fact"
	"retcon/internal/shard"
)

func TestSubset(t *testing.T) {
	rs := make([]fact.Record, 11)
	for i := range rs {
		rs[i].Index = i
	}
	indices := func(from, n int, s shard.Shard) []int {
		t.Helper()
		got, err := Subset(rs, from, n, s)
		if err != nil {
			t.Fatal(err)
		}
		var out []int
		for _, r := range got {
			out = append(out, r.Index)
		}
		return out
	}
	if d := cmp.Diff([]int{2, 3, 4, 5, 6}, indices(2, 5, shard.Shard{})); d != "" {
		t.Error(d)
	}
	// shards are disjoint and make up the whole
	seen := map[int]int{}
	for i := 1; i <= 4; i++ {
		for _, k := range indices(1, 0, shard.Shard{I: i, N: 4}) {
			seen[k]++
		}
	}
	for _, k := range indices(1, 0, shard.Shard{}) {
		if seen[k] != 1 {
			t.Errorf("record %d is in %d shards", k, seen[k])
		}
	}
	for _, from := range []int{-1, 11} {
		if _, err := Subset(rs, from, 1, shard.Shard{}); !errors.Is(err, fact.ErrRequest) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}
