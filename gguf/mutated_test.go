package gguf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"retcon/internal/mutate"
)

// Ten thousand damaged headers: each is read or refused by an error of a known
// kind in one line, and what is read can be asked, copied and put together again.
func TestMutated(t *testing.T) {
	var files []mutate.File
	for _, s := range specs() {
		if s.align < 4096 {
			b, _ := s.builder()
			files = append(files, mutate.File{Name: s.String(), Data: build(t, b), Mutate: mutate.GGUF})
		}
	}
	read, refused := 0, 0
	mutate.Each(t, files, 10_000, func(c mutate.Case) error {
		f, err := Read(bytes.NewReader(c.Data), int64(len(c.Data)))
		if err != nil {
			refused++
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTruncated) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 500 {
				return fmt.Errorf("error %q", err)
			}
			return nil
		}
		read++
		return used(f, c.Data)
	})
	if read+refused > 1000 && (read < refused/20 || refused < read/20) {
		t.Errorf("%d were read and %d refused: the damage is too great or too small to find much", read, refused)
	}
	t.Logf("%d were read, %d refused", read, refused)
}

// used does with a file that was read what programs do.
func used(f *File, raw []byte) error {
	for _, kv := range f.KV {
		_ = kv.Value.String()
		kv.Value.Ints()
		kv.Value.Floats()
	}
	for _, t := range f.Tensors {
		t.Elements()
		_ = t.Shape()
		if _, err := f.ReadTensor(t.Name, nil); err != nil {
			return err
		}
	}
	if _, err := HashTensors(context.Background(), f, nil); err != nil {
		return err
	}
	o, err := Rewrite(f, Edits{})
	if err != nil {
		return err
	}
	var copied bytes.Buffer
	if _, err := o.WriteTo(&copied); err != nil {
		return err
	}
	if !bytes.Equal(copied.Bytes(), raw) {
		return errors.New("a copy differs")
	}
	if o, err = Rewrite(f, Edits{Set: []KeyValue{{"retcon.test", ValueOf(true)}}}); err != nil {
		return err
	}
	if o.Size() > 1<<24 {
		return nil // an alignment of megabytes
	}
	_, err = o.WriteTo(io.Discard)
	return err
}
