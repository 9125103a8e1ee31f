package llama

/*
#include "bridge.h"
#include <stdlib.h>
*/
import "C"

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// ModelParams says how to load a model.
type ModelParams struct {
	GPULayers    int  // layers to offload; negative: all
	CPUOnly      bool // ignore every other device
	GGMLOnly     bool // programs run on ggml's kernels alone, as on processors for which the bridge has none
	NoMmap       bool // read the weights instead of mapping the file
	CheckTensors bool // validate every weight while loading
}

// Model is a loaded model. Its weights stay in the file's own layout.
type Model struct {
	c    *C.rc_model
	path string
	info ModelInfo
	// noVocab is set for a model of tokens without text.
	noVocab bool

	mu       sync.Mutex
	contexts int // contexts and adapters that use it
	pieces   [][]byte
	cleanup  runtime.Cleanup
	profile  *Profile // nil: none
}

// ModelInfo is what a file says of its model.
type ModelInfo struct {
	Path         string
	Arch         string
	Name         string
	Layers       int
	Width        int // n_embd
	Vocab        int
	ContextTrain int
	Heads        int
	Params       uint64 // number of weights
	Bytes        uint64 // size of the weights
	Recurrent    bool
	Hybrid       bool
	Diffusion    bool
	Encoder      bool
	BOS, EOS     int32 // -1: none
	AddsBOS      bool
	AddsEOS      bool
	ChatTemplate string
}

// LoadModel loads the GGUF at path; any file of a split model will not do, it
// must be the first. A cancelled context ends the load.
func LoadModel(ctx context.Context, path string, params ModelParams) (*Model, error) {
	setup()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if st, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLoad, err)
	} else if st.IsDir() {
		return nil, fmt.Errorf("%w: %s is a directory", ErrLoad, path)
	}
	stop := C.rc_stop_new()
	defer C.rc_stop_free(stop)
	defer watch(ctx, stop)()
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	logTail.take()
	m := &Model{path: path}
	var e errorBuffer
	code := C.rc_model_load(&m.c, name, C.rc_model_params{
		gpu_layers:    C.int32_t(params.GPULayers),
		mmap:          C.bool(!params.NoMmap),
		check_tensors: C.bool(params.CheckTensors),
		cpu_only:      C.bool(params.CPUOnly),
		ggml_only:     C.bool(params.GGMLOnly),
	}, stop, e.ptr())
	switch {
	case code == C.RC_CANCELLED:
		return nil, e.check(ctx, code, path)
	case code != C.RC_OK:
		why := firstReason(e.text(), logTail.take())
		if strings.Contains(why, "unknown model architecture") {
			return nil, fmt.Errorf("%w %s: %w: %s", ErrLoad, path, ErrUnsupported, why)
		}
		return nil, fmt.Errorf("%w %s: %s", ErrLoad, path, why)
	}
	m.readInfo()
	tokenizer := m.Meta("tokenizer.ggml.model")
	m.noVocab = tokenizer == "none" || tokenizer == "no_vocab"
	m.cleanup = runtime.AddCleanup(m, leaked, "model "+path)
	return m, nil
}

// firstReason picks llama.cpp's own first complaint, which names the cause.
func firstReason(text string, lines []string) string {
	for _, l := range lines {
		if _, why, ok := strings.Cut(l, "error loading model: "); ok {
			return why
		}
	}
	if len(lines) > 0 {
		return lines[0]
	}
	return text
}

// leaked complains about an object that was dropped without Close.
func leaked(what string) {
	logLine(8, what+" was never closed")
}

func (m *Model) readInfo() {
	var c C.rc_model_info
	C.rc_model_get_info(m.c, &c)
	m.info = ModelInfo{
		Path: m.path, Arch: m.Meta("general.architecture"), Name: m.Meta("general.name"),
		Layers: int(c.n_layer), Width: int(c.n_embd), Vocab: int(c.n_vocab),
		ContextTrain: int(c.n_ctx_train), Heads: int(c.n_head),
		Params: uint64(c.n_params), Bytes: uint64(c.n_bytes),
		Recurrent: bool(c.recurrent), Hybrid: bool(c.hybrid), Diffusion: bool(c.diffusion), Encoder: bool(c.encoder),
		BOS: int32(c.bos), EOS: int32(c.eos), AddsBOS: bool(c.add_bos), AddsEOS: bool(c.add_eos),
		ChatTemplate: m.Meta("tokenizer.chat_template"),
	}
}

// Info is what the file says of the model.
func (m *Model) Info() ModelInfo { return m.info }

// Meta is the value of a scalar metadata key as text, "" where it is absent.
func (m *Model) Meta(key string) string {
	if m.c == nil {
		return ""
	}
	k := C.CString(key)
	defer C.free(unsafe.Pointer(k))
	var probe [1]C.char
	n := C.rc_model_meta(m.c, k, &probe[0], 1)
	if n <= 0 {
		return ""
	}
	buf := make([]byte, n+1)
	C.rc_model_meta(m.c, k, (*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)))
	return string(buf[:n])
}

// Close frees the model. It fails while contexts or adapters use it.
func (m *Model) Close() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c == nil {
		return nil
	}
	if m.contexts > 0 {
		return invalid("the model still has %d contexts or adapters", m.contexts)
	}
	m.cleanup.Stop()
	C.rc_model_free(m.c)
	m.c = nil
	return nil
}

// retain counts a user of the model; release takes it back.
func (m *Model) retain() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c == nil {
		return fmt.Errorf("model: %w", ErrClosed)
	}
	m.contexts++
	return nil
}

func (m *Model) release() {
	m.mu.Lock()
	m.contexts--
	m.mu.Unlock()
}
