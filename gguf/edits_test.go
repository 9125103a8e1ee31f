package gguf

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Edits change what they name and nothing else, in every format.
func TestEdits(t *testing.T) {
	for _, s := range specs() {
		if s.tensors == 0 {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			b, data := s.builder()
			f := open(t, build(t, b))
			rnd := rand.New(rand.NewPCG(s.seed, 2))
			e := Edits{
				Set:     []KeyValue{{"new", ValueOf("v")}, {"u8.0", ValueOf("other kind")}},
				Delete:  []string{"string.empty", "str.array"},
				Replace: []Tensor{randomTensor(rnd, "blk.3.t", Q8_0, []int64{64, 5}, data)},
				Drop:    []string{"blk.1.t"},
				Add:     []Tensor{randomTensor(rnd, "added", F16, []int64{3}, data)},
			}
			o, err := Rewrite(f, e)
			got := open(t, written(t, o, err))
			checkKV(t, got, editedKV(b.kv))
			want := slices.Clone(b.tensors)
			want[3] = e.Replace[0]
			want = append(slices.Delete(want, 1, 2), e.Add[0])
			checkTensors(t, got, want, data)
		})
	}
}

// editedKV is what TestEdits makes of keys, done the plain way.
func editedKV(kv []KeyValue) (out []KeyValue) {
	for _, e := range kv {
		switch e.Key {
		case "string.empty", "str.array":
			continue
		case "u8.0":
			e.Value = ValueOf("other kind")
		}
		out = append(out, e)
	}
	return append(out, KeyValue{"new", ValueOf("v")})
}

// An edit that is taken back leaves the bytes of the original.
func TestUndo(t *testing.T) {
	for _, s := range specs() {
		b, data := s.builder()
		raw := build(t, b)
		f := open(t, raw)
		do := Edits{Set: []KeyValue{{"retcon.version", ValueOf("1")}}}
		undo := Edits{Delete: []string{"retcon.version"}}
		if s.tensors > 0 {
			name := f.Tensors[0].Name
			do.Replace = []Tensor{{name, F32, []int64{5, 7}, Bytes(make([]byte, 4*35))}}
			undo.Replace = []Tensor{{name, f.Tensors[0].Type, f.Tensors[0].Dims, Bytes(data[name])}}
		}
		o, err := Rewrite(f, do)
		edited := open(t, written(t, o, err))
		o, err = Rewrite(edited, undo)
		if got := written(t, o, err); !bytes.Equal(got, raw) {
			t.Errorf("%v: undo does not restore the file", s)
		}
	}
}

// A new alignment moves every tensor and loses none.
func TestAlignmentEdit(t *testing.T) {
	s := spec{3, 3, binary.LittleEndian, 32, 9, false}
	b, data := s.builder()
	f := open(t, build(t, b))
	for _, align := range []uint32{1, 16, 256} {
		o, err := Rewrite(f, Edits{Set: []KeyValue{{keyAlignment, ValueOf(align)}}})
		got := open(t, written(t, o, err))
		if got.Alignment != int64(align) {
			t.Errorf("alignment %d, want %d", got.Alignment, align)
		}
		checkTensors(t, got, b.tensors, data)
	}
}

func TestBadEdits(t *testing.T) {
	b := NewBuilder()
	b.Set("k", ValueOf("v"))
	b.Add(Tensor{"a", F32, []int64{2}, Bytes(make([]byte, 8))})
	f := open(t, build(t, b))
	data := Bytes(make([]byte, 8))
	for name, c := range map[string]struct {
		e    Edits
		kind error
	}{
		"empty key":       {Edits{Set: []KeyValue{{"", ValueOf("")}}}, ErrEdit},
		"long key":        {Edits{Set: []KeyValue{{strings.Repeat("k", maxKey+1), ValueOf("")}}}, ErrEdit},
		"no value":        {Edits{Set: []KeyValue{{"x", Value{}}}}, ErrEdit},
		"mixed array":     {Edits{Set: []KeyValue{{"x", arrayOfArrays(ValueOf("s"))}}}, ErrEdit},
		"set twice":       {Edits{Set: []KeyValue{{"x", ValueOf("")}, {"x", ValueOf("")}}}, ErrEdit},
		"set and delete":  {Edits{Set: []KeyValue{{"k", ValueOf("")}}, Delete: []string{"k"}}, ErrEdit},
		"delete absent":   {Edits{Delete: []string{"x"}}, ErrNotFound},
		"alignment":       {Edits{Set: []KeyValue{{keyAlignment, ValueOf(uint32(3))}}}, ErrEdit},
		"replace absent":  {Edits{Replace: []Tensor{{"x", F32, nil, data}}}, ErrNotFound},
		"replace twice":   {Edits{Replace: []Tensor{{"a", F32, nil, data}, {"a", F32, nil, data}}}, ErrEdit},
		"replace no data": {Edits{Replace: []Tensor{{"a", F32, nil, nil}}}, ErrEdit},
		"replace shape":   {Edits{Replace: []Tensor{{"a", Q4_0, nil, data}}}, ErrEdit},
		"replace type":    {Edits{Replace: []Tensor{{"a", 99, nil, data}}}, ErrEdit},
		"drop absent":     {Edits{Drop: []string{"x"}}, ErrNotFound},
		"drop replaced":   {Edits{Drop: []string{"a"}, Replace: []Tensor{{"a", F32, nil, data}}}, ErrEdit},
		"add present":     {Edits{Add: []Tensor{{"a", F32, nil, data}}}, ErrEdit},
		"add long name":   {Edits{Add: []Tensor{{strings.Repeat("n", 64), F32, nil, data}}}, ErrEdit},
		"add no name":     {Edits{Add: []Tensor{{"", F32, nil, data}}}, ErrEdit},
		"add too large":   {Edits{Add: []Tensor{{"x", F32, []int64{1 << 31, 1 << 31}, data}}}, ErrEdit},
		"add five dims":   {Edits{Add: []Tensor{{"x", F32, []int64{1, 1, 1, 1, 2}, data}}}, ErrEdit},
	} {
		_, err := Rewrite(f, c.e)
		if !errors.Is(err, c.kind) || !errors.Is(err, ErrEdit) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
}

// Data that does not fit its tensor stops the write.
func TestBadData(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		data func(io.Writer) error
		want error
	}{
		"short": {Bytes(make([]byte, 7)), ErrEdit},
		"none":  {Bytes(nil), ErrEdit},
		"long":  {Bytes(make([]byte, 9)), ErrEdit},
		"error": {func(io.Writer) error { return broken }, broken},
	} {
		b := NewBuilder()
		b.Add(Tensor{"a", F32, []int64{2}, c.data})
		if _, err := b.WriteTo(io.Discard); !errors.Is(err, c.want) || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteStops(t *testing.T) {
	b := NewBuilder()
	const size = 8 * chunk
	b.Add(Tensor{"a", I8, []int64{size}, Bytes(make([]byte, size))})
	o, err := b.Output()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	last := int64(0)
	o.Progress = func(done, total int64) {
		if done <= last || total != o.Size() {
			t.Errorf("progress %d after %d of %d", done, last, total)
		}
		if last = done; done > 2*chunk {
			cancel()
		}
	}
	if err := o.Write(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if last > 4*chunk {
		t.Errorf("stopped after %d bytes only", last)
	}
}

// A rewrite takes no more memory than its buffer.
func TestRewriteMemory(t *testing.T) {
	const size = 16 * chunk
	b := NewBuilder()
	for _, name := range []string{"a", "b"} {
		b.Add(Tensor{name, I8, []int64{size}, func(w io.Writer) error {
			_, err := io.CopyN(w, zeroReader{}, size)
			return err
		}})
	}
	f := open(t, build(t, b))
	e := Edits{Set: []KeyValue{{"k", ValueOf("v")}}, Replace: b.tensors[1:]}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	o, err := Rewrite(f, e)
	if err == nil {
		err = o.Write(t.Context(), io.Discard)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err != nil || n > 2*chunk {
		t.Errorf("a rewrite of %d bytes takes %d: %v", f.Size(), n, err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
