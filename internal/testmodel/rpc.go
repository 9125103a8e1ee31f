package testmodel

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"retcon/llama"
)

// StartRPC starts llama.cpp's RPC server on the loopback and makes it a device
// of this process, until the test ends. server is the path of ggml-rpc-server.
func StartRPC(t testing.TB, server string) {
	t.Helper()
	if _, err := os.Stat(server); err != nil {
		t.Skip("NOT TESTED: no ggml-rpc-server: run make tools")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("NOT TESTED: no loopback: ", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(server, "-H", "127.0.0.1", "-p", fmt.Sprint(port), "-t", "2")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := llama.AddRPC(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
}
