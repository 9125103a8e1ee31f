package gguf

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
)

// FingerprintFile is [Fingerprint] of the model at path, any file of a split one.
func FingerprintFile(path string) (string, error) {
	f, err := Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return Fingerprint(f)
}

// Fingerprint identifies a model's weights without reading all of them: keys,
// shapes, and three pieces of each tensor. An edit of any tensor changes all of
// its rows, and so the fingerprint.
func Fingerprint(f *File) (string, error) {
	sum := sha256.New()
	for _, kv := range f.KV {
		if !strings.HasPrefix(kv.Key, "retcon.") && !strings.HasPrefix(kv.Key, "general.") {
			fmt.Fprintf(sum, "%s=%v\n", kv.Key, kv.Value)
		}
	}
	const piece = 4096
	buf := make([]byte, piece)
	for _, t := range f.Tensors {
		fmt.Fprintf(sum, "%s %v %s\n", t.Name, t.Type, t.Shape())
		r, err := f.TensorReader(t.Name)
		if err != nil {
			return "", err
		}
		for _, at := range []int64{0, max(0, t.Size/2), max(0, t.Size-piece)} {
			n, err := r.ReadAt(buf, at)
			if err != nil && !errors.Is(err, io.EOF) {
				return "", err
			}
			sum.Write(buf[:n])
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
