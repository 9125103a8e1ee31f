package testmodel

import (
	"fmt"
	"strings"

	"retcon/gguf"
)

// Exchange writes the model in src to dst with the weights of two layers in
// each other's place.
func Exchange(dst, src string, a, b int) error {
	f, err := gguf.Open(src)
	if err != nil {
		return err
	}
	defer f.Close()
	var e gguf.Edits
	for _, t := range f.Tensors {
		for _, from := range [][2]int{{a, b}, {b, a}} {
			rest, ok := strings.CutPrefix(t.Name, fmt.Sprintf("blk.%d.", from[0]))
			if !ok {
				continue
			}
			other, ok := f.Tensor(fmt.Sprintf("blk.%d.%s", from[1], rest))
			if !ok {
				return fmt.Errorf("layer %d has no %s", from[1], rest)
			}
			data, err := f.ReadTensor(other.Name, nil)
			if err != nil {
				return err
			}
			e.Replace = append(e.Replace, gguf.Tensor{Name: t.Name, Type: other.Type, Dims: other.Dims, Data: gguf.Bytes(data)})
		}
	}
	return rewrite(dst, f, e)
}
