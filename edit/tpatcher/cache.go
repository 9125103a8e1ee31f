package tpatcher

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"retcon/internal/atomicfile"
)

// magic opens a file of queries: then the key (64 bytes of text), the width and
// the numbers of queries to train with and held out (u32), the queries
// (float32), all little-endian, and the SHA-256 of all before it.
const magic = "RETCONQ1"

// Save writes the memory's queries to a file, under a key of 64 bytes.
func (m *Memory) Save(path, key string) error {
	if len(key) != 2*sha256.Size {
		return fmt.Errorf("the key %q is no digest", key)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := atomicfile.Create(path, atomicfile.Options{Force: true})
	if err != nil {
		return err
	}
	defer f.Abort()
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<16)
	w.WriteString(magic + key)
	train, held := m.Len()
	for _, n := range []int{m.width, train, held} {
		binary.Write(w, binary.LittleEndian, uint32(n))
	}
	for _, rows := range [][]float32{m.train.rows, m.held.rows} {
		for _, v := range rows {
			var b [4]byte
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
			w.Write(b[:])
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := f.Write(sum.Sum(nil)); err != nil {
		return err
	}
	return f.Commit()
}

// LoadMemory reads the queries that Save wrote under the same key.
func LoadMemory(path, key string, width int) (*Memory, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const head = len(magic) + 2*sha256.Size + 12
	sum := sha256.New()
	r := io.TeeReader(bufio.NewReaderSize(io.LimitReader(f, st.Size()-sha256.Size), 1<<16), sum)
	b := make([]byte, head)
	if _, err := io.ReadFull(r, b); err != nil || string(b[:head-12]) != magic+key {
		return nil, fmt.Errorf("%s holds other queries", path)
	}
	n := func(i int) int64 { return int64(binary.LittleEndian.Uint32(b[head-12+4*i:])) }
	if n(0) != int64(width) || 4*n(0)*(n(1)+n(2)) != st.Size()-int64(head)-sha256.Size {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	m := NewMemory(width)
	m.train.rows, m.held.rows = make([]float32, n(0)*n(1)), make([]float32, n(0)*n(2))
	for _, rows := range [][]float32{m.train.rows, m.held.rows} {
		if err := readFloats(r, rows); err != nil {
			return nil, err
		}
	}
	want := make([]byte, sha256.Size)
	if _, err := f.ReadAt(want, st.Size()-sha256.Size); err != nil || string(want) != string(sum.Sum(nil)) {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	return m, nil
}

func readFloats(r io.Reader, dst []float32) error {
	var b [4096]byte
	for len(dst) > 0 {
		n := min(len(dst), len(b)/4)
		if _, err := io.ReadFull(r, b[:4*n]); err != nil {
			return err
		}
		for i := range n {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		dst = dst[n:]
	}
	return nil
}
