package llama

/*
#include "bridge.h"
#include <stdlib.h>
*/
import "C"

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
	"unsafe"
)

// What llama.cpp's RPC protocol starts with (ggml-rpc.cpp): the command HELLO,
// 8 bytes of length, 24 of capabilities; the answer has the protocol's version.
const (
	rpcHello     = 14
	rpcCaps      = 24
	rpcMajor     = 7
	rpcHelloTime = 5 * time.Second
)

// AddRPC makes the devices of llama.cpp's RPC server at endpoint ("host:port")
// devices of this process. Models loaded afterwards are offloaded to them.
//
// llama.cpp ends the process if it cannot connect, so the handshake is tried
// here first.
func AddRPC(ctx context.Context, endpoint string) error {
	setup()
	if err := greetRPC(ctx, endpoint); err != nil {
		return fmt.Errorf("RPC server %s: %w", endpoint, err)
	}
	c := C.CString(endpoint)
	defer C.free(unsafe.Pointer(c))
	var e errorBuffer
	return e.check(ctx, C.rc_rpc_add(c, e.ptr()), "RPC server "+endpoint)
}

func greetRPC(ctx context.Context, endpoint string) error {
	if host, port, err := net.SplitHostPort(endpoint); err != nil || host == "" || port == "" {
		return invalid("give HOST:PORT")
	}
	dialer := net.Dialer{Timeout: rpcHelloTime}
	conn, err := dialer.DialContext(ctx, "tcp", endpoint)
	if err != nil {
		return fmt.Errorf("%w; is llama.cpp's ggml-rpc-server running there?", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(rpcHelloTime)); err != nil {
		return err
	}
	request := append([]byte{rpcHello}, binary.LittleEndian.AppendUint64(nil, rpcCaps)...)
	if _, err := conn.Write(append(request, make([]byte, rpcCaps)...)); err != nil {
		return err
	}
	answer := make([]byte, 8+4+rpcCaps)
	if _, err := io.ReadFull(conn, answer); err != nil || binary.LittleEndian.Uint64(answer) != 4+rpcCaps {
		return fmt.Errorf("%w: no llama.cpp RPC server answers there", ErrUnsupported)
	}
	if answer[8] != rpcMajor {
		return fmt.Errorf("%w: it speaks version %d of the protocol, not %d", ErrUnsupported, answer[8], rpcMajor)
	}
	return nil
}
