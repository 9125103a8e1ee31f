package edit

import (
	"encoding/json"
	"slices"
	"strings"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/lm"
)

// RecordedRequests are the facts that a model or adapter says it was edited
// with, in their order, but for those that were taken out again. The error wraps
// fact.ErrRequest where there are none.
func RecordedRequests(path string) ([]fact.Request, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := recorded(f)
	if err == nil && len(out) == 0 {
		err = fault.Advise(fault.Errorf(fact.ErrRequest, "%s does not say that it was edited", path), fault.NameRequests)
	}
	return out, err
}

// recorded is RecordedRequests of an open file, none where there are none.
func recorded(f *gguf.File) ([]fact.Request, error) {
	n, err := History(f)
	if err != nil {
		return nil, err
	}
	var out []fact.Request
	for i := range n {
		if elsewhere(f, i) {
			continue
		}
		rs, err := EditRequests(f, i)
		if err != nil {
			return nil, err
		}
		if out, err = appendLive(out, f, i, rs); err != nil {
			return nil, err
		}
	}
	for i := range out { // which older files may have
		out[i].Paraphrases = slices.DeleteFunc(out[i].Paraphrases, blank)
		out[i].Neighbours = slices.DeleteFunc(out[i].Neighbours, blank)
	}
	return out, nil
}

// elsewhere reports an edit that an adapter counts and does not hold: one of the
// model that it was made for, which has the keys of it.
func elsewhere(f *gguf.File, n int) bool {
	if f.Role() != gguf.RoleAdapter {
		return false
	}
	return !slices.ContainsFunc(f.KV, func(kv gguf.KeyValue) bool { return strings.HasPrefix(kv.Key, Prefix(n)) })
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// EditRequests are the requests of edit n of a file.
func EditRequests(f *gguf.File, n int) ([]fact.Request, error) {
	var rs []fact.Request
	text, err := f.String(Prefix(n) + "requests")
	if err != nil || json.Unmarshal([]byte(text), &rs) != nil {
		return nil, BadKey(n, "requests")
	}
	return rs, nil
}

// BadKey is the error of a key of edit n that is not what a run writes.
func BadKey(n int, key string) error {
	return fault.Errorf(lm.ErrUnsupported, "the file's %s%s is not what this program writes", Prefix(n), key)
}

// Parts are where the parts of edit n of a file are, -1 for those taken out, and
// the request that each belongs to; none for an edit that cannot be taken out.
func Parts(f *gguf.File, n int) (parts, owners []int64, err error) {
	if !f.Has(Prefix(n) + KeyParts) {
		return nil, nil, nil
	}
	if parts, err = f.Ints(Prefix(n) + KeyParts); err != nil {
		return nil, nil, BadKey(n, KeyParts)
	}
	if owners, err = f.Ints(Prefix(n) + KeyOwners); err != nil || len(owners) != len(parts) {
		return nil, nil, BadKey(n, KeyOwners)
	}
	return parts, owners, nil
}

// appendLive appends the requests of edit n that have parts left; all of an edit
// that has none.
func appendLive(out []fact.Request, f *gguf.File, n int, rs []fact.Request) ([]fact.Request, error) {
	if !f.Has(Prefix(n) + KeyParts) {
		return append(out, rs...), nil
	}
	parts, owners, err := Parts(f, n)
	if err != nil {
		return nil, err
	}
	return append(out, Live(rs, parts, owners)...), nil
}

// Live are the requests that still have a part.
func Live(rs []fact.Request, parts, owners []int64) []fact.Request {
	var out []fact.Request
	for i, r := range rs {
		for j, o := range owners {
			if o == int64(i) && parts[j] >= 0 {
				out = append(out, r)
				break
			}
		}
	}
	return out
}
