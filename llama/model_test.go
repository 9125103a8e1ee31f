package llama_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/llama"
)

func TestModelInfo(t *testing.T) {
	i := loadTiny(t).Info()
	if i.Arch != "llama" || i.Layers != 2 || i.Width != 256 || i.Vocab != 256 || i.Heads != 4 || i.ContextTrain != 512 || i.Recurrent || i.Encoder {
		t.Errorf("%+v", i)
	}
}

func TestMeta(t *testing.T) {
	m := loadTiny(t)
	if got := m.Meta("llama.block_count"); got != "2" {
		t.Errorf("llama.block_count is %q", got)
	}
	if m.Meta("no.such.key") != "" || m.Meta("") != "" {
		t.Error("an absent key has a value")
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(tinyPath(t, gguf.Q8_0))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	number := func(at int, v uint64) []byte {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint64(b[at:], v)
		return b
	}
	// a tensor's description: name, number of dimensions, dimensions, type, offset
	info := bytes.Index(whole, []byte("blk.0.ffn_down.weight")) + len("blk.0.ffn_down.weight")
	files := map[string]string{
		"missing file":         filepath.Join(dir, "none.gguf"),
		"directory":            dir,
		"empty file":           write("empty", nil),
		"garbage":              write("garbage", bytes.Repeat([]byte("not a model "), 1000)),
		"zeros":                write("zeros", make([]byte, 4096)),
		"endless tensors":      write("tensors", number(8, 1<<60)),
		"endless keys":         write("keys", number(16, 1<<60)),
		"endless key":          write("key", number(24, 1<<62)),
		"no keys":              write("nokeys", number(16, 0)),
		"huge dimension":       write("dim", number(info+4, 1<<40)),
		"negative dimension":   write("negative", number(info+4, 1<<63)),
		"dimension of another": write("other", number(info+4, 128)),
		"overflowing shape":    write("overflow", number(info+12, 1<<57)),
		"offset past the end":  write("offset", number(info+24, 1<<40)),
		"unknown type":         write("type", func() []byte { b := bytes.Clone(whole); b[info+20] = 200; return b }()),
		"no such version":      write("version", func() []byte { b := bytes.Clone(whole); b[4] = 99; return b }()),
	}
	for _, n := range []int{3, 4, 20, 24, 100, info, info + 10, len(whole) / 2, len(whole) - 1} {
		files["truncated to "+string(rune('a'+len(files)))] = write("cut"+string(rune('a'+len(files))), whole[:n])
	}
	before := llama.LiveObjects()
	for name, path := range files {
		m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true})
		if err == nil {
			m.Close()
			t.Errorf("%s: loads", name)
		} else if !errors.Is(err, llama.ErrLoad) || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := llama.LoadModel(context.Background(), files["missing file"], llama.ModelParams{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if now := llama.LiveObjects(); now != before {
		t.Errorf("%d objects after failed loads, %d before", now, before)
	}
}

func TestLoadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m, err := llama.LoadModel(ctx, tinyPath(t, gguf.F32), llama.ModelParams{CPUOnly: true})
	if err == nil {
		m.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// CheckTensors finds a value that is not finite.
func TestCheckTensors(t *testing.T) {
	path := tinyPath(t, gguf.F32)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(data[len(data)-8:], 0x7fc00000)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true, CheckTensors: true})
	if err == nil {
		m.Close()
	}
	if !errors.Is(err, llama.ErrLoad) {
		t.Errorf("got %v", err)
	}
}

func TestModelClose(t *testing.T) {
	m := loadTiny(t)
	c := newContext(t, m, llama.ContextParams{Cells: 32, Batch: 8, Sequences: 1})
	if err := m.Close(); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("closing a model in use: %v", err)
	}
	// it goes on working
	decodeFresh(t, c, prompt(4, 0))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := m.NewAdapter(adapter(t, 256, 256, "llama"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("closing a model with an adapter: %v", err)
	}
	for range 2 {
		if err := errors.Join(a.Close(), m.Close()); err != nil {
			t.Errorf("closing again: %v", err)
		}
	}
	if _, err := m.NewContext(llama.ContextParams{Cells: 32, Batch: 8, Sequences: 1}); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("a context of a closed model: %v", err)
	}
	if _, err := m.NewAdapter(adapter(t, 256, 256, "llama")); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("an adapter of a closed model: %v", err)
	}
	if _, err := m.Tokenize("text", false); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("tokenising with a closed model: %v", err)
	}
	if m.Meta("general.name") != "" || m.Piece(1, true) != "" || m.EndsText(1) {
		t.Error("a closed model has texts")
	}
}

func TestCloseNil(t *testing.T) {
	var m *llama.Model
	var c *llama.Context
	var p *llama.Program
	var s *llama.Store
	var a *llama.Adapter
	if err := errors.Join(m.Close(), c.Close(), p.Close(), s.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	if s.Bytes() != 0 {
		t.Error("no store takes memory")
	}
}

func TestAdapterErrors(t *testing.T) {
	m := loadTiny(t)
	good := adapter(t, 256, 256, "llama")
	for name, data := range map[string][]byte{
		"nothing":      nil,
		"garbage":      []byte("GGUF or not"),
		"truncated":    good[:len(good)-100],
		"other widths": adapter(t, 128, 256, "llama"),
		"other model":  adapter(t, 256, 256, "gemma2"),
	} {
		if a, err := m.NewAdapter(data); err == nil {
			a.Close()
			t.Errorf("%s is an adapter", name)
		} else if !errors.Is(err, llama.ErrLoad) && !errors.Is(err, llama.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAdapter(t *testing.T) {
	m := loadTiny(t)
	c := newContext(t, m, llama.ContextParams{Cells: 32, Batch: 8, Sequences: 1})
	a, err := m.NewAdapter(adapter(t, 256, 256, "llama"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	base := decodeFresh(t, c, prompt(5, 0))
	set := func(list []*llama.Adapter, scales ...float32) []float32 {
		t.Helper()
		if err := c.SetAdapters(list, scales); err != nil {
			t.Fatal(err)
		}
		return decodeFresh(t, c, prompt(5, 0))
	}
	with := set([]*llama.Adapter{a}, 1)
	if equal(with, base) {
		t.Error("an adapter changes nothing")
	}
	if equal(set([]*llama.Adapter{a}, 2), with) {
		t.Error("its scale changes nothing")
	}
	if !equal(set(nil), base) {
		t.Error("without adapters the model is another")
	}
	if err := c.SetAdapters([]*llama.Adapter{a}, nil); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("an adapter without a scale: %v", err)
	}
	if err := c.SetAdapters([]*llama.Adapter{nil}, []float32{1}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("no adapter: %v", err)
	}
	other, err := loadTiny(t).NewAdapter(adapter(t, 256, 256, "llama"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetAdapters([]*llama.Adapter{other}, []float32{1}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("another model's adapter: %v", err)
	}
	other.Close()
	if err := c.SetAdapters([]*llama.Adapter{other}, []float32{1}); !errors.Is(err, llama.ErrInvalid) {
		t.Errorf("a closed adapter: %v", err)
	}
}

func equal(a, b []float32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// Everything that is closed is gone.
func TestNoLeaks(t *testing.T) {
	path := tinyPath(t, gguf.Q8_0)
	data := adapter(t, 256, 256, "llama")
	cycle := func(closeParts bool) {
		m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{CPUOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.NewContext(llama.ContextParams{Cells: 32, Batch: 8, Sequences: 1, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		a, err := m.NewAdapter(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetAdapters([]*llama.Adapter{a}, []float32{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Record(context.Background(), prompt(3, 0), nil); err != nil {
			t.Fatal(err)
		}
		s, err := c.NewStore([]llama.TensorSpec{{Ne: [4]int64{4, 4, 1, 1}}})
		if err != nil {
			t.Fatal(err)
		}
		p, x, y := doubling(t, c)
		runDoubling(t, p, x, y)
		if closeParts {
			p.Close()
			s.Close()
		}
		if err := errors.Join(c.Close(), a.Close(), m.Close()); err != nil {
			t.Error(err)
		}
		// what went with its context may be closed again
		if err := errors.Join(p.Close(), s.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	}
	before := llama.LiveObjects()
	for i := range 6 {
		cycle(i%2 == 0)
		if now := llama.LiveObjects(); now != before {
			t.Fatalf("%d objects after cycle %d, %d before", now, i, before)
		}
	}
}
