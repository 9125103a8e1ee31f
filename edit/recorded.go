package edit

import (
	"encoding/json"
	"fmt"

	"retcon/fact"
	"retcon/gguf"
	"retcon/internal/fault"
	"retcon/lm"
)

// RecordedRequests are the facts that a model or adapter says it was edited
// with, in their order, but for those that were taken out again. The error wraps
// ErrRequest where there are none.
func RecordedRequests(path string) ([]fact.Request, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := history(f)
	if err != nil {
		return nil, err
	}
	patched, err := patchHistory(f)
	if err != nil {
		return nil, err
	}
	var out []fact.Request
	for i := range n {
		if len(patched) > 0 && patched[0].n == i {
			out = append(out, patched[0].live()...)
			patched = patched[1:]
			continue
		}
		var rs []fact.Request
		key := fmt.Sprintf("retcon.edit.%d.requests", i)
		text, err := f.String(key)
		if err != nil || json.Unmarshal([]byte(text), &rs) != nil {
			return nil, fault.Errorf(lm.ErrUnsupported, "the file's %s is not what this program writes", key)
		}
		out = append(out, rs...)
	}
	if len(out) == 0 {
		return nil, fault.Errorf(fact.ErrRequest, "%s does not say that it was edited: name what to score with --requests FILE", path)
	}
	return out, nil
}
