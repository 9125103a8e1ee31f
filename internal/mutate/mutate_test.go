package mutate

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// header is a GGUF header with a key of each sort and a tensor.
func header() []byte {
	var b []byte
	u32 := func(v uint32) { b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24)) }
	u64 := func(v uint64) { u32(uint32(v)); u32(uint32(v >> 32)) }
	text := func(s string) { u64(uint64(len(s))); b = append(b, s...) }
	b = append(b, "GGUF"...)
	u32(3)
	u64(1)
	u64(3)
	text("a.number")
	u32(4)
	u32(7)
	text("a.text")
	u32(8)
	text("value")
	text("a.list")
	u32(9)
	u32(8)
	u64(2)
	text("one")
	text("two")
	text("weight")
	u32(1)
	u64(4)
	u32(0)
	u64(0)
	return append(b, make([]byte, 64)...)
}

// A header is followed to its end, and every kind of field is found.
func TestScan(t *testing.T) {
	l := scan(header())
	if len(l.keys) != 3 || len(l.tens) != 1 || l.end != len(header())-64 {
		t.Errorf("%d keys, %d tensors, an end at %d of %d", len(l.keys), len(l.tens), l.end, len(header()))
	}
	found := map[role]int{}
	for _, f := range l.fields {
		found[f.role]++
	}
	if found[kind] != 5 || found[text] != 7 {
		t.Errorf("%v", found)
	}
}

// A case is made by its number alone, differs from most others, and leaves the
// file as it was.
func TestMake(t *testing.T) {
	good := header()
	files := []File{{"header", bytes.Clone(good), GGUF}, {"text", []byte("{\"a\": [1, \"x\"]}\n{\"b\": null}\n"), Text}}
	seen := map[string]bool{}
	for n := range 400 {
		c := Make(files, n)
		if again := Make(files, n); !bytes.Equal(c.Data, again.Data) {
			t.Fatalf("case %d is not the same twice", n)
		}
		seen[string(c.Data)] = true
	}
	if !bytes.Equal(files[0].Data, good) {
		t.Error("the file itself was damaged")
	}
	if len(seen) < 250 {
		t.Errorf("%d cases of 400 differ", len(seen))
	}
	for n := range 200 { // nothing is too short to be damaged
		rng := rand.New(rand.NewPCG(2, uint64(n)))
		GGUF(rng, good[:n%len(good)])
		Text(rng, []byte("{}")[:n%3])
	}
}

func TestWatch(t *testing.T) {
	bad := errors.New("bad")
	if err := Watch("", 0, func() error { return bad }); !errors.Is(err, bad) {
		t.Error(err)
	}
	if err := Watch("", 0, func() error { panic("lost") }); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Error(err)
	}
	var kept []byte
	if err := Watch("", 10, func() error { kept = make([]byte, MostMemory+1<<20); return nil }); err == nil || len(kept) == 0 {
		t.Error("too much memory is not seen")
	}
}
