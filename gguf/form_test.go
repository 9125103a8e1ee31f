package gguf

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func oldImatrix() string {
	b := binary.LittleEndian.AppendUint32(nil, 30)
	b = binary.LittleEndian.AppendUint32(b, 23)
	return string(b) + "blk.10.ffn_gate_.weight" + strings.Repeat("\x00", 16)
}

func safetensors() string {
	header := `{"__metadata__":{"format":"pt"},"wte.weight":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + "\x00\x00\x00\x00"
}

// What is no GGUF is named, with what to do.
func TestSniff(t *testing.T) {
	for _, c := range []struct{ bytes, is, says string }{
		{safetensors(), "a safetensors file", "convert_hf_to_gguf.py"},
		{"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "an ONNX file", "safetensors"},
		{"\x08\x07\x3a\xff\x01", "an ONNX file", "safetensors"},
		{"PK\x03\x04\x00\x00\x00\x00archive/data.pkl", "a PyTorch checkpoint (zip)", "convert_hf_to_gguf.py"},
		{"PK\x03\x04\x00\x00\x00\x00letters.txt", "a zip file", "unpack it"},
		{"\x80\x02}q\x00X", "a Python pickle, as PyTorch writes checkpoints", "convert_hf_to_gguf.py"},
		{"lmgg\x00\x7d\x00\x00", "a file of GGML from before GGUF", "fetch the model as GGUF"},
		{"tjgg\x03\x00\x00\x00", "a GGJT file from before GGUF", "fetch the model as GGUF"},
		{"algg\x01\x00\x00\x00", "a GGLA adapter from before GGUF", "convert_lora_to_gguf.py"},
		{oldImatrix(), "an imatrix in the old format", "--output-format gguf"},
		{"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a pointer of Git LFS", "git lfs pull"},
		{"\n<!DOCTYPE html>\n<html>", "a web page", "the page about the file"},
		{"\x1f\x8b\x08\x00", "a gzip file", "unpack it"},
		{"{\"model_type\": \"llama\"}", "JSON", ""},
		{"This is not a model.", "a text", ""},
		{"\x89HDF\r\n\x1a\n\x00", "an HDF5 file", "safetensors"},
		{"\x1c\x00\x00\x00TFL3\x00", "a TensorFlow Lite file", "safetensors"},
		{"\x01\x02\x03\x04\x05\x06\x07", "", "it begins with"},
		{"", "", "it is empty"},
	} {
		f, ok := Sniff([]byte(c.bytes))
		if ok != (c.is != "") || !strings.HasPrefix(f.Name, c.is) {
			t.Errorf("%q: %q, not %q", c.bytes, f.Name, c.is)
		}
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, []byte(c.bytes), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.bytes, err)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Errorf("a folder: %v", err)
	}
}

// A GGUF that is for something else is named.
func TestRoles(t *testing.T) {
	one := Tensor{Name: "token_embd.weight", Type: F32, Dims: []int64{1}, Data: Bytes(make([]byte, 4))}
	sums := one
	sums.Name = "blk.0.ffn_down.weight.in_sum2"
	for _, c := range []struct {
		keys    []KeyValue
		tensors []Tensor
		is      Role
	}{
		{[]KeyValue{{"general.architecture", ValueOf("llama")}}, []Tensor{one}, RoleModel},
		{[]KeyValue{{"general.architecture", ValueOf("llama")}, {"general.type", ValueOf("model")}}, []Tensor{one}, RoleModel},
		{[]KeyValue{{"general.architecture", ValueOf("llama")}, {"general.type", ValueOf("adapter")}}, []Tensor{one}, RoleAdapter},
		{[]KeyValue{{"general.architecture", ValueOf("llama")}, {"adapter.type", ValueOf("lora")}}, []Tensor{one}, RoleAdapter},
		{[]KeyValue{{"general.type", ValueOf("imatrix")}}, []Tensor{one}, RoleImatrix},
		{nil, []Tensor{sums}, RoleImatrix},
		{[]KeyValue{{"general.architecture", ValueOf("clip")}}, []Tensor{one}, RoleProjector},
		{[]KeyValue{{"general.architecture", ValueOf("controlvector")}}, []Tensor{one}, RoleControl},
		{[]KeyValue{{"general.architecture", ValueOf("llama")}, {"tokenizer.ggml.model", ValueOf("gpt2")}}, nil, RoleVocabulary},
		{[]KeyValue{{"general.architecture", ValueOf("llama")}}, nil, RoleEmpty},
		{nil, []Tensor{one}, RoleUnknown},
	} {
		b := NewBuilder()
		for _, kv := range c.keys {
			b.Set(kv.Key, kv.Value)
		}
		for _, t := range c.tensors {
			b.Add(t)
		}
		path := filepath.Join(t.TempDir(), "f.gguf")
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.WriteTo(out); err != nil {
			t.Fatal(err)
		}
		out.Close()
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if is := f.Role(); is != c.is {
			t.Errorf("%v: %q, not %q", c.keys, is, c.is)
		}
		f.Close()
		f, err = OpenAs(path, RoleAdapter)
		if (err == nil) != (c.is == RoleAdapter) || err != nil && !errors.Is(err, ErrRole) {
			t.Errorf("%v as an adapter: %v", c.keys, err)
		}
		f.Close()
	}
}

// Shards that were joined with cat, and one under another name, are told what
// joins them.
func TestJoined(t *testing.T) {
	dir := t.TempDir()
	var all []byte
	for i := range 2 {
		b := NewBuilder()
		b.Set("general.architecture", ValueOf("llama"))
		b.Set(keySplitNo, ValueOf(uint16(i)))
		b.Set(keySplitCount, ValueOf(uint16(2)))
		b.Set(keySplitTensors, ValueOf(int32(2)))
		b.Add(Tensor{Name: string(rune('a' + i)), Type: F32, Dims: []int64{3}, Data: Bytes(make([]byte, 12))})
		var one strings.Builder
		if _, err := b.WriteTo(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one.String()...)
		if i == 0 {
			os.WriteFile(filepath.Join(dir, "renamed.gguf"), []byte(one.String()), 0o666)
		}
	}
	for _, name := range []string{"joined.gguf", "joined-00001-of-00001.gguf", "joined-00001-of-00002.gguf"} {
		path := filepath.Join(dir, name)
		os.WriteFile(path, all, 0o666)
		_, err := Open(path)
		if !errors.Is(err, ErrSplit) || !strings.Contains(err.Error(), "as cat joins files; llama-gguf-split --merge NAME-00001-of-00002.gguf") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Open(filepath.Join(dir, "renamed.gguf"))
	if !errors.Is(err, ErrSplit) || strings.Contains(err.Error(), "cat") || !strings.Contains(err.Error(), "llama-gguf-split --merge") {
		t.Errorf("renamed: %v", err)
	}
}
