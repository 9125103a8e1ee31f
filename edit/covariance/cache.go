package covariance

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math"
	"os"

	"gonum.org/v1/gonum/blas/blas64"

	"retcon/internal/atomicfile"
)

// A cache file is, in little-endian order:
//
//	magic    8 bytes "RETCONC1"
//	length   u32 of the header
//	header   JSON, see header
//	tiles    float64, tile row by tile row, each tile by rows
//	digest   SHA-256 of all before it
const (
	magic         = "RETCONC1"
	mostHeader    = 1 << 16
	formatVersion = 1
)

// Key names what a factor was made from.
type Key struct {
	Model string `json:"model"` // fingerprint of the weights
	Layer int    `json:"layer"`
	Text  string `json:"text"` // digest of the text's tokens
}

type header struct {
	Version int `json:"version"`
	Dim     int `json:"dim"`
	Tile    int `json:"tile"`
	Key     Key `json:"key"`
	Made
}

// FileName is a name for the cache file of key, unique to it.
func (k Key) FileName() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", k.Model, k.Layer, k.Text))
	return fmt.Sprintf("covariance-l%d-%x.bin", k.Layer, sum[:12])
}

// Save writes f to path, whole or not at all.
func Save(path string, key Key, f *Factor) error {
	out, err := atomicfile.Create(path, atomicfile.Options{Force: true})
	if err != nil {
		return err
	}
	defer out.Abort()
	w := bufio.NewWriterSize(out, 1<<20)
	if err := f.write(w, key); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Commit()
}

func (f *Factor) write(w io.Writer, key Key) error {
	h, err := json.Marshal(header{formatVersion, f.t.n, tileSize, key, f.made})
	if err != nil {
		return err
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	head := append([]byte(magic), binary.LittleEndian.AppendUint32(nil, uint32(len(h)))...)
	if _, err := out.Write(append(head, h...)); err != nil {
		return err
	}
	var buf []byte
	for _, tile := range f.t.data {
		buf = buf[:0]
		for _, v := range tile {
			buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
		}
		if _, err := out.Write(buf); err != nil {
			return err
		}
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// File is a factor on disk. Its methods are for one goroutine at a time.
type File struct {
	f       *os.File
	n       int
	made    Made
	start   int64 // of the tiles
	head    []byte
	checked bool
}

// Open opens the factor in path and checks that it was made from key for keys
// of length n. The error wraps ErrCorrupt, ErrOther, or the file system's.
// What the tiles hold is checked by the first Solve.
func Open(path string, key Key, n int) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	c, err := open(f, key, n)
	if err != nil {
		f.Close()
		return nil, err
	}
	return c, nil
}

func open(f *os.File, key Key, n int) (*File, error) {
	head := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(f, head); err != nil || string(head[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: %s does not start as one", ErrCorrupt, f.Name())
	}
	length := binary.LittleEndian.Uint32(head[len(magic):])
	if length > mostHeader {
		return nil, fmt.Errorf("%w: %s has a header of %d bytes", ErrCorrupt, f.Name(), length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, fmt.Errorf("%w: %s ends in its header", ErrCorrupt, f.Name())
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrCorrupt, f.Name(), err)
	}
	if h.Version != formatVersion || h.Tile != tileSize || h.Dim != n || h.Key != key {
		return nil, fmt.Errorf("%w: %s", ErrOther, f.Name())
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	start := int64(len(head) + len(text))
	if want := start + factorBytes(n) + sha256.Size; info.Size() != want {
		return nil, fmt.Errorf("%w: %s has %d bytes instead of %d", ErrCorrupt, f.Name(), info.Size(), want)
	}
	return &File{f: f, n: n, made: h.Made, start: start, head: append(head, text...)}, nil
}

// Bytes is the storage of a factor for keys of length n, in memory and on disk.
func Bytes(n int) int64 { return factorBytes(n) }

func factorBytes(n int) int64 {
	side := (n + tileSize - 1) / tileSize
	return rowStart(n, side)
}

// rowStart is the offset of tile row i from the first, in bytes: the rows
// above hold i full tile rows.
func rowStart(n, i int) int64 {
	var sum int64
	for r := range i {
		sum += int64(tileRows(n, r)) * int64(r*tileSize+tileRows(n, r))
	}
	return 8 * sum
}

// Kind returns KindFull.
func (c *File) Kind() Kind { return KindFull }

// Dim returns the length of a key.
func (c *File) Dim() int { return c.n }

// Made says how the factor was made.
func (c *File) Made() Made { return c.made }

// Close closes the file.
func (c *File) Close() error { return c.f.Close() }

// Solve solves L Lᵀ x = b, reading the file twice with one row of tiles in
// memory. The first call checks the digest; the error then wraps ErrCorrupt.
func (c *File) Solve(ctx context.Context, dst, b []float64) error {
	sum := sha256.New()
	sum.Write(c.head)
	side := (c.n + tileSize - 1) / tileSize
	var raw []byte
	var row []float64
	down := 0
	return solve(ctx, c.n, dst, b, func(i int) ([]blas64.General, error) {
		var err error
		if raw, row, err = c.readRow(i, raw, row); err != nil {
			return nil, err
		}
		if !c.checked && down < side {
			sum.Write(raw)
			if down++; down == side {
				if err := c.check(sum); err != nil {
					return nil, err
				}
			}
		}
		return rowTiles(c.n, i, row), nil
	})
}

func (c *File) check(sum hash.Hash) error {
	var want [sha256.Size]byte
	if _, err := c.f.ReadAt(want[:], c.start+factorBytes(c.n)); err != nil {
		return err
	}
	if string(sum.Sum(nil)) != string(want[:]) {
		return fmt.Errorf("%w: the digest of %s does not match", ErrCorrupt, c.f.Name())
	}
	c.checked = true
	return nil
}

// readRow reads tile row i as bytes and as numbers, reusing both slices.
func (c *File) readRow(i int, raw []byte, row []float64) ([]byte, []float64, error) {
	from, to := rowStart(c.n, i), rowStart(c.n, i+1)
	if size := int(to - from); cap(raw) < size {
		raw, row = make([]byte, size), make([]float64, size/8)
	}
	raw = raw[:to-from]
	row = row[:len(raw)/8]
	if _, err := c.f.ReadAt(raw, c.start+from); err != nil {
		return raw, row, fmt.Errorf("reading %s: %w", c.f.Name(), err)
	}
	for k := range row {
		row[k] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*k:]))
	}
	return raw, row, nil
}

// rowTiles cuts a tile row into its tiles.
func rowTiles(n, i int, row []float64) []blas64.General {
	tiles := make([]blas64.General, i+1)
	rows := tileRows(n, i)
	for j := range tiles {
		cols := tileRows(n, j)
		tiles[j] = blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: row[:rows*cols]}
		row = row[rows*cols:]
	}
	return tiles
}
