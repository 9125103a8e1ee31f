package rome

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"retcon/fact"
	"retcon/lm"
)

// FuzzReadHParams: whatever a file holds, reading it ends, in settings or in an
// error of the file.
func FuzzReadHParams(f *testing.F) {
	for _, s := range []string{`{"layers": [7], "v_lr": 0.5}`, "alg_name: \"ROME\"\nlayers: [5]\n", "\ufeffa: &x [1]\nb: *x\n", "prefixes:\n- - 5\n  - 10\n", "model_name: \"C:\\m\\x\"\r\n", "\xff\xfe{\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		_, _, err := ReadHParams(bytes.NewReader(data), DefaultHParams())
		if err != nil && !errors.Is(err, fact.ErrRequest) && !errors.Is(err, lm.ErrUnsupported) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Fatalf("%d bytes took %v", len(data), took)
		}
	})
}

// Names for names that would come to more than memory has are refused.
func TestHParamsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9))
	}
	for name, text := range map[string]string{
		"aliases": b.String(), "deep": "a: " + strings.Repeat("[", 30000), "long": "a: " + strings.Repeat("[", 1<<19), "deep JSON": `{"a": ` + strings.Repeat("[", 1<<19), "deep maps": "b: " + strings.Repeat("{a: ", 7000), "long maps": strings.Repeat("{a: ", 1<<18),
	} {
		start := time.Now()
		if _, _, err := ReadHParams(strings.NewReader(text), DefaultHParams()); !errors.Is(err, fact.ErrRequest) || len(err.Error()) > 2000 {
			t.Errorf("%s: %.300v", name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}
