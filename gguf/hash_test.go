package gguf

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"
)

func TestHashTensors(t *testing.T) {
	b, data := spec{11, 3, binary.LittleEndian, 32, 12, false}.builder()
	f := open(t, build(t, b))
	payload := sha256.New()
	last := int64(0)
	sums, err := HashTensors(t.Context(), f, func(done, total int64) {
		if done <= last || done > total || total != f.dataSize() {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	if last != f.dataSize() {
		t.Errorf("progress ended at %d of %d", last, f.dataSize())
	}
	for _, w := range b.tensors {
		payload.Write(data[w.Name])
		want := Sum(sha256.Sum256(data[w.Name]))
		if got, ok := sums.Tensor(w.Name); !ok || got != want {
			t.Errorf("%s: %v, want %v", w.Name, got, want)
		}
		if got, err := HashTensor(t.Context(), f, w.Name); err != nil || got != want {
			t.Errorf("HashTensor(%s): %v, %v", w.Name, got, err)
		}
	}
	if want := Sum(payload.Sum(nil)); sums.Payload != want {
		t.Errorf("payload %v, want %v", sums.Payload, want)
	}
}

// The payload's hash is about weights only: not names, keys, alignment, splits.
func TestPayloadInvariance(t *testing.T) {
	b, data := spec{12, 3, binary.LittleEndian, 32, 8, false}.builder()
	want, err := HashTensors(t.Context(), open(t, build(t, b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Set(keyAlignment, ValueOf(uint32(128)))
	for i := range b.tensors {
		b.tensors[i].Name += ".renamed"
	}
	got, err := HashTensors(t.Context(), open(t, build(t, b)), nil)
	if err != nil || got.Payload != want.Payload {
		t.Errorf("names or alignment change the payload: %v", err)
	}
	data[b.tensors[2].Name[:len("blk.2.t")]][0] ^= 1
	got, err = HashTensors(t.Context(), open(t, build(t, b)), nil)
	if err != nil || got.Payload == want.Payload {
		t.Errorf("a flipped bit does not change the payload: %v", err)
	}
	prefix, tensors, _ := splitModel(t, binary.LittleEndian)
	whole := NewBuilder()
	whole.tensors = tensors
	one, err1 := HashTensors(t.Context(), open(t, build(t, whole)), nil)
	many, err2 := HashTensors(t.Context(), openPath(t, SplitName(prefix, 0, 3)), nil)
	if err := errors.Join(err1, err2); err != nil || one.Payload != many.Payload {
		t.Errorf("a split changes the payload: %v", err)
	}
}

func TestHashStops(t *testing.T) {
	b, _ := spec{13, 3, binary.LittleEndian, 32, 8, false}.builder()
	f := open(t, build(t, b))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := HashTensors(ctx, f, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("HashTensors: %v", err)
	}
	if _, err := Diff(ctx, f, f, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Diff: %v", err)
	}
	if _, err := HashTensor(t.Context(), f, "absent"); !errors.Is(err, ErrNotFound) {
		t.Errorf("HashTensor: %v", err)
	}
}
