package gguf

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
)

// Sum is a SHA-256 hash.
type Sum [sha256.Size]byte

// String returns the hash in hexadecimal.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// TensorSum is the hash of one tensor's raw data, without padding.
type TensorSum struct {
	Name string
	Sum  Sum
}

// Sums identifies the weights of a model.
type Sums struct {
	// Tensors has one hash for each tensor, in file order.
	Tensors []TensorSum
	// Payload is the hash of the data of all tensors, one after the other in
	// file order, without padding. Names, shapes, keys, alignment and splits
	// have no part in it. It is the model hash that llama-gguf-hash prints.
	Payload Sum
}

// Tensor returns the hash of the named tensor.
func (s *Sums) Tensor(name string) (Sum, bool) {
	for _, t := range s.Tensors {
		if t.Name == name {
			return t.Sum, true
		}
	}
	return Sum{}, false
}

// HashTensors hashes all tensors of f. progress, if not nil, is told the bytes
// of data done. It stops soon after ctx is done.
func HashTensors(ctx context.Context, f *File, progress func(done, total int64)) (*Sums, error) {
	sums := &Sums{Tensors: make([]TensorSum, 0, len(f.Tensors))}
	payload := sha256.New()
	meter := newMeter(ctx, f.dataSize(), progress)
	buf := make([]byte, chunk)
	for _, t := range f.Tensors {
		own := sha256.New()
		err := meter.each(f, t, buf, func(b []byte) {
			// The two hashes cost the same: take a processor for each.
			var wg sync.WaitGroup
			wg.Go(func() { payload.Write(b) })
			own.Write(b)
			wg.Wait()
		})
		if err != nil {
			return nil, err
		}
		sums.Tensors = append(sums.Tensors, TensorSum{t.Name, Sum(own.Sum(nil))})
	}
	sums.Payload = Sum(payload.Sum(nil))
	return sums, nil
}

// HashTensor hashes the raw data of one tensor.
func HashTensor(ctx context.Context, f *File, name string) (Sum, error) {
	i, ok := f.index[name]
	if !ok {
		return Sum{}, fmt.Errorf("tensor %s: %w", quote(name), ErrNotFound)
	}
	own := sha256.New()
	meter := newMeter(ctx, 0, nil)
	err := meter.each(f, f.Tensors[i], make([]byte, chunk), func(b []byte) { own.Write(b) })
	return Sum(own.Sum(nil)), err
}

// dataSize returns the bytes of all tensors, without padding.
func (f *File) dataSize() int64 {
	n := int64(0)
	for _, t := range f.Tensors {
		n += t.Size
	}
	return n
}

// A meter goes through tensor data piece by piece: it reports progress and
// watches for the end of its context.
type meter struct {
	ctx         context.Context
	done, total int64 // bytes
	progress    func(done, total int64)
}

func newMeter(ctx context.Context, total int64, progress func(done, total int64)) *meter {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	return &meter{ctx: ctx, total: total, progress: progress}
}

// step reports that n more bytes are done.
func (m *meter) step(n int) error {
	m.done += int64(n)
	m.progress(m.done, m.total)
	return m.ctx.Err()
}

// each hands a tensor's data to use in pieces that are valid during the call.
func (m *meter) each(f *File, t TensorInfo, buf []byte, use func([]byte)) error {
	r := f.section(t)
	for left := t.Size; left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("tensor %s: %w", quote(t.Name), readError(err))
		}
		use(b)
		if err := m.step(len(b)); err != nil {
			return err
		}
		left -= int64(len(b))
	}
	return m.ctx.Err()
}
