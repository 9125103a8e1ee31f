package average

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"retcon/internal/shard"
)

// Merge reads results files of one run's shards and joins them to the results
// of the whole, in the order of the facts. Files of other settings, and a fact
// that is in two files, are refused with ErrSettings. Facts that are in none
// are missing in the results; Resume can trace them.
func Merge(paths []string) (*Results, error) {
	var out *Results
	from := map[int]string{}
	for _, path := range paths {
		r, err := Read(path)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = Memory(r.Header)
			out.Header.Shard = shard.Shard{}
		}
		if d := out.Header.Settings.differences(r.Header.Settings); d != nil {
			return nil, fmt.Errorf("%w: %s and %s differ in %s", ErrSettings, paths[0], path, strings.Join(d, ", "))
		}
		for _, rec := range r.Records {
			if other, ok := from[rec.Record]; ok {
				return nil, fmt.Errorf("%w: record %d is in both %s and %s", ErrSettings, rec.Record, other, path)
			}
			from[rec.Record] = path
			out.add(rec)
		}
		out.Torn = append(out.Torn, r.Torn...)
	}
	if out == nil {
		return nil, fmt.Errorf("%w: no files to merge", ErrSettings)
	}
	slices.SortFunc(out.Records, func(a, b Record) int { return cmp.Compare(a.Record, b.Record) })
	return out, nil
}
