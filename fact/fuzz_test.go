package fact

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzRecords: whatever a file holds, reading it ends in facts that are text, the
// same for an edit and for its score, or in an error of the file.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{
		goodCounterFact, "[" + goodZsRE + "]", `{"prompt": "x is", "subject": "x", "target": "y", "locality": {"A": [{"prompt": "p", "ground_truth": [["a"]]}]}}`,
		`{"requested_rewrite": [{"prompt": "{} is", "subject": "x", "target_new": {"str": "y"}}, null]}`, "{'a': None}\n", "a,b\n", "\ufeff[\r\n]", "\xff\xfe{\x00}\x00",
		`{"prompt": "\ud83d\udc00", "subject": "\\ud83d", "target_new": [[["\ud83d"]]]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		if err := readsOrRefuses(data); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Fatalf("%d bytes took %v", len(data), took)
		}
	})
}

// readsOrRefuses says what the readers of records do to a file that they must
// not.
func readsOrRefuses(data []byte) error {
	requests, err := ParseRequests(bytes.NewReader(data))
	if err != nil && !errors.Is(err, ErrRequest) {
		return fmt.Errorf("an error of another kind: %w", err)
	}
	each, anyway := ParseEach(bytes.NewReader(data))
	records, scored := ParseRecords(bytes.NewReader(data), Alternative)
	if err == nil && (anyway != nil || len(each) != len(requests)) || scored == nil && (err != nil || len(records) != len(requests)) {
		return fmt.Errorf("%v, %v, %v: %d, %d, %d", err, anyway, scored, len(requests), len(each), len(records))
	}
	for i, q := range requests {
		all := strings.Join(append(append([]string{q.Prompt, q.Subject, q.TargetNew, q.TargetTrue, q.Question}, q.Paraphrases...), q.Neighbours...), "\n")
		if !utf8.ValidString(all) || strings.ContainsRune(all, 0) || q.Record != i+1 {
			return fmt.Errorf("%+v", q)
		}
		q.Resolve()
	}
	return nil
}

// Files made to be slow or large are neither.
func TestBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, text := range map[string]string{
		"deep":        `{"prompt": ` + strings.Repeat("[", 9000) + long + strings.Repeat("]", 9000) + `}`,
		"deep record": `{"locality": ` + strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000) + `, "prompt": "x is", "subject": "x", "target_new": "y"}`,
		"deep list":   `{"prompt": "x is", "subject": "x", "target_new": ` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		"long":        `{"prompt": "` + long + `", "subject": "y", "target_new": "z"}`,
		"many keys":   "{" + strings.Repeat(`"a`+strings.Repeat("b", 20)+`": 1, `, 1<<16) + `"c": 1}`,
		"many breaks": strings.Repeat("{'a'}\n", 1<<16),
		"long key":    `{"` + long + `": 1}`,
	} {
		start := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rs, err := ParseEach(strings.NewReader(text))
		for _, r := range rs {
			r.Resolve()
		}
		_, scored := ParseRecords(strings.NewReader(text), Alternative)
		runtime.ReadMemStats(&after)
		if took := time.Since(start); took > 5*time.Second || scored != nil && !errors.Is(scored, ErrRequest) || err != nil && !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v, %.100v, %.100v", name, took, err, scored)
		}
		if scored != nil && len(scored.Error()) > 2000 && name != "long" {
			t.Errorf("%s: an error of %d bytes", name, len(scored.Error()))
		}
		if held := int64(after.HeapInuse) - int64(before.HeapInuse); held > 64<<20 {
			t.Errorf("%s: %d bytes of memory", name, held)
		}
	}
}
