package llama_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"retcon/graph"
	"retcon/llama"
)

func TestZZResidual(t *testing.T) {
	out, _ := os.Create(os.Getenv("ZZ_OUT"))
	defer out.Close()
	files, _ := filepath.Glob("../build/archs/*.gguf")
	for _, f := range files {
		func() {
			m, err := llama.LoadModel(context.Background(), f, llama.ModelParams{CPUOnly: true})
			if err != nil {
				return
			}
			defer m.Close()
			c, err := m.NewContext(llama.ContextParams{Cells: 32, Batch: 16, Sequences: 1, Threads: 1})
			if err != nil {
				return
			}
			defer c.Close()
			var b llama.Batch
			for i := range 3 {
				b.Add(int32(i+1), i, 0, true)
			}
			r, err := c.Record(context.Background(), &b, nil)
			if err != nil {
				return
			}
			s, err := graph.FindSites(r.Graph, m.Info().Layers)
			if err != nil {
				fmt.Fprintln(out, filepath.Base(f), "refused")
				return
			}
			for i, l := range s.Layers {
				if l.Residual < 0 {
					fmt.Fprintln(out, filepath.Base(f), i, "none")
					continue
				}
				fmt.Fprintln(out, filepath.Base(f), i, l.Residual, r.Graph.Node(l.Residual))
			}
		}()
	}
}
