package replay

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"retcon/graph"
	"retcon/llama"
)

// startRPC starts llama.cpp's RPC server on the loopback and makes it a device
// of this process.
func startRPC(t *testing.T) {
	t.Helper()
	const server = "../build/bin/ggml-rpc-server"
	if _, err := os.Stat(server); err != nil {
		t.Skip("no ggml-rpc-server: run make tools")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no loopback: ", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(server, "-H", "127.0.0.1", "-p", fmt.Sprint(port), "-t", "2")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for range 100 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := llama.AddRPC(addr); err != nil {
		t.Fatal(err)
	}
}

// With the model behind an RPC server, whose buffers are no host memory, a
// decode is captured, replayed and differentiated as on the CPU.
func TestRPC(t *testing.T) {
	startRPC(t)
	// small ones: the server and this process share the cores
	for _, path := range fixtures(t, "llama-dense", "gemma3-dense") {
		m, c := openModel(t, path)
		rows := testRows(t, c, m.Info().Vocab)
		want := step(t, c, 0, rows, 0, graph.F32, false)
		rm, err := llama.LoadModel(context.Background(), path, llama.ModelParams{GPULayers: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer rm.Close()
		rc, err := rm.NewContext(llama.ContextParams{Cells: 256, Batch: 128, Sequences: 8, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		for _, keep := range []bool{false, true} {
			rc.Clear()
			got := step(t, rc, 0, testRows(t, rc, m.Info().Vocab), 0, graph.F32, keep)
			sameLosses(t, "RPC", got.nll, want.nll, 1e-3)
			sameLosses(t, "RPC", got.kl, want.kl, 1e-3)
			if d := relative(got.grad, want.grad); d > 1e-3 {
				t.Errorf("RPC: the gradient is off by %g", d)
			} else {
				t.Logf("gradient off by %g", d)
			}
		}
	}
}
